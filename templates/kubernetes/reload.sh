#!/bin/sh
# Has a program read its config files anew whenever they have changed, and tells when it refuses them. A program that
# refuses them goes on with what it read before; nothing here stops it.
#
#   reload.sh watch URL FOLDER VOLUMES   asks URL, with $RELOAD_KEY as bearer token if there is one, whenever FOLDER
#                                        has changed and all of its weights.list is there: lines of a volume, a file
#   reload.sh state                      0 = what is there has been read; else why not
set -eu
state=/tmp/reload-state
answer=/tmp/reload-answer

ask() {
    set -- -s -o "$answer" -w '%{http_code}' --max-time 300 "$1"
    if [ -n "${RELOAD_KEY:-}" ]; then
        printf 'Authorization: Bearer %s\n' "$RELOAD_KEY" | curl -H @- "$@"
    else
        curl "$@"
    fi
}

has_weights() { # FOLDER VOLUMES
    [ -f "$1/weights.list" ] || return 0
    while read -r volume file; do
        [ -e "$2/$volume/$file" ] || return 1
    done <"$1/weights.list"
}

watch() { # URL FOLDER VOLUMES
    asked=
    echo "nobody has been asked yet" >"$state"
    while :; do
        # A ConfigMap changes by a link that is put in place of another, so these files are always of one version,
        # or the next look finds another sum.
        sum=$(cat "$2"/* | cksum)
        if [ "$sum" != "$asked" ] && has_weights "$2" "$3"; then
            : >"$answer"
            status=$(ask "$1") || status=000
            case $status in
                2??)
                    asked=$sum
                    : >"$state"
                    echo "read anew: $2"
                    ;;
                000 | 503) ;; # it is not up yet, or not any more
                *)
                    asked=$sum
                    echo "refused, so what was read before still holds: HTTP $status $(head -c 2000 "$answer")" >"$state"
                    cat "$state" >&2
                    ;;
            esac
        fi
        # A shell that waits, unlike one whose sleep runs, ends when it is told to.
        sleep 5 &
        wait $!
    done
}

trap 'exit 0' INT TERM
case ${1:-} in
    watch) watch "$2" "$3" "$4" ;;
    state)
        if ! [ -f "$state" ] || [ -s "$state" ]; then
            cat "$state"
            exit 1
        fi
        ;;
    *)
        echo "reload.sh: watch URL FOLDER VOLUMES, or state" >&2
        exit 2
        ;;
esac

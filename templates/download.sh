#!/bin/sh
# Usage: download.sh [--verify] [FOLDER]
#   Puts {{ files | length }} files into the folder, each at its locked commit and proven by its hash. What is there
#   already is left alone; --verify reads all of it again. HF_TOKEN, or the file that HF_TOKEN_PATH
#   names, opens gated repositories; HF_ENDPOINT names another hub. Needs curl, sha256sum and stat.
set -eu
umask 022

verify=no
if [ "${1:-}" = --verify ]; then
    verify=yes
    shift
fi
usual={{ folder | shell_quote }}
folder=${1:-$usual}
endpoint=${HF_ENDPOINT:-https://huggingface.co}
attempts=${DOWNLOAD_ATTEMPTS:-8}
first_pause=${DOWNLOAD_PAUSE:-5}
quiet=--silent
[ ! -t 2 ] || quiet=--progress-bar

# Calls a function for each file: its address, below the hub if it has no host, or text: and what to write into it;
# then bytes, hash, place below the folder.
# shellcheck disable=SC2016 # a $ in a name is meant
for_each_file() {
{% for file in files %}
    "$1" {{ file | shell_join }}
{% endfor %}
}

say() {
    printf '%s\n' "$*"
}

die() {
    printf 'download.sh: %s\n' "$*" >&2
    exit 1
}

size_of() {
    if [ -f "$1" ]; then stat -L -c %s "$1"; else echo 0; fi
}

hash_of() { # path, a hash of the kind that is wanted
    case $2 in
        sha256:*) printf 'sha256:' && sha256sum <"$1" | cut -d ' ' -f 1 ;;
        git:*) printf 'git:' && { printf 'blob %s\0' "$(size_of "$1")" && cat "$1"; } | sha1sum | cut -d ' ' -f 1 ;;
    esac
}

is_there() { # address, bytes, hash, place
    case $1 in
        # What has been written here before may be older than what is proven.
        text:*) [ -f "$folder/$4" ] && [ "$(hash_of "$folder/$4" "$3")" = "$3" ] ;;
        *) [ -f "$folder/$4" ] && [ "$(size_of "$folder/$4")" = "$2" ] && grep -qxF "$3 $2 $4" "$state/verified" ;;
    esac
}

missing=0 lacking=0
count() {
    if ! is_there "$@"; then
        lacking=$((lacking + 1))
        have=$(size_of "$folder/$4.part")
        if [ -f "$folder/$4" ] && [ "$(size_of "$folder/$4")" = "$2" ]; then have=$2; fi
        if [ "$have" -gt "$2" ]; then have=0; fi
        missing=$((missing + $2 - have))
    fi
}

token_header() {
    token=${HF_TOKEN:-}
    if [ -z "$token" ] && [ -n "${HF_TOKEN_PATH:-}" ]; then token=$(cat "$HF_TOKEN_PATH"); fi
    # On stdin, for arguments can be read by everybody.
    if [ -n "$token" ]; then printf 'header = "Authorization: Bearer %s"\n' "$token"; fi
}

request() { # address, path of the part; prints the HTTP status
    case $1 in
        *://*) ask "$1" "$2" </dev/null ;;
        # The token is for the hub alone.
        *) token_header | ask "$endpoint/$1" "$2" ;;
    esac
}

ask() { # URL, path of the part; more of curl's configuration on stdin
    curl --config - "$quiet" --show-error --fail --location --connect-timeout 30 \
        --speed-limit 1024 --speed-time 60 --continue-at - --output "$2" --write-out '%{http_code}' "$1"
}

transfer() { # address, bytes, path of the part
    tries=0 pause=$first_pause
    while [ "$(size_of "$3")" != "$2" ]; do
        have=$(size_of "$3")
        if [ "$have" -gt "$2" ]; then
            : >"$3"
            have=0
        fi
        status=0
        code=$(request "$1" "$3") || status=$?
        case $code in
            401 | 403) die "the answer is $code for $1: it needs a token, in HF_TOKEN or in a file that HF_TOKEN_PATH names" ;;
            404) die "there is no $1" ;;
        esac
        now=$(size_of "$3")
        if [ "$now" = "$2" ]; then return; fi
        # A whole answer of another length, or a hub that cannot go on in the middle: start anew.
        if [ "$status" = 0 ] || [ "$status" = 33 ] || [ "$code" = 416 ]; then : >"$3"; fi
        if [ "$status" != 0 ] && [ "$now" -gt "$have" ]; then tries=0 pause=$first_pause; fi
        tries=$((tries + 1))
        if [ "$tries" -ge "$attempts" ]; then die "gave up on $1 after $tries attempts (curl $status, HTTP $code)"; fi
        say "  it broke after $now of $2 bytes; again in $pause s"
        sleep "$pause"
        if [ "$pause" -lt 60 ]; then pause=$((pause * 2)); fi
    done
}

fetch() {
    if is_there "$@"; then return; fi
    file=$folder/$4
    mkdir -p "${file%/*}"
    case $1 in
        text:*)
            say "writing $4"
            printf %s "${1#text:}" >"$file.part"
            mv -f "$file.part" "$file"
            return
            ;;
    esac
    if [ -f "$file" ] && [ "$(size_of "$file")" = "$2" ]; then
        say "reading $4 to see whether it is the locked file"
        [ "$(hash_of "$file" "$3")" = "$3" ] || die "$file is not the locked file; move it away and run this again"
    else
        say "downloading $4, $(($2 / 1048576)) MiB"
        : >>"$file.part"
        transfer "$1" "$2" "$file.part"
        if [ "$(hash_of "$file.part" "$3")" != "$3" ]; then
            rm -f "$file.part"
            die "what came for $4 is not the locked file; run this again"
        fi
        mv -f "$file.part" "$file"
    fi
    printf '%s\n' "$3 $2 $4" >>"$state/verified"
}

[ -n "$folder" ] || die "name the folder: download.sh FOLDER"
[ -d "$folder" ] || die "$folder is not there: mount it first"
state=$folder/.stackgen
marker=$state/{{ marker }}
mkdir -p "$state"
if command -v flock >/dev/null; then
    # Others may share the folder.
    exec 9>"$state/lock"
    flock 9
fi
if [ "$verify" = yes ]; then : >"$state/verified"; else : >>"$state/verified"; fi

for_each_file count
if [ "$lacking" != 0 ]; then
    rm -f "$marker"
    free=$(df -Pk "$folder" | { read -r _ && read -r _ _ _ free _ && echo "$free"; })
    need=$((missing / 1024))
    if [ "$need" -gt "$free" ]; then
        die "$folder lacks $(((need - free) / 1024 + 1)) MiB: $((need / 1024)) MiB are to come, $((free / 1024)) MiB are free"
    fi
    for_each_file fetch
fi
: >"$marker"
say "all {{ files | length }} files are there"

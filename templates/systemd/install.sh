#!/bin/sh
# Installs the services of {{ stack }} on {{ host }}; run it there, as root, after each change. What it does, to do it by hand:
#   copies this folder to {{ place }}, where the units look for their files;
{% if quadlets %}
#   copies the quadlets to {{ quadlets }}, of which Podman makes units;
#   systemctl link      mount units, so that systemd knows them;
#   systemctl start     what starts at boot;
{% else %}
#   makes the user and the folders of sysusers.conf and tmpfiles.conf;
#   systemctl link      all units, so that systemd knows them;
#   systemctl enable    those that start at boot, and starts them;
{% endif %}
#   systemctl restart   those that run already and whose unit or config files have changed;
#   systemctl reload    instead, where only files have changed that the program can read anew.
{% for group, units in turns %}
# Only one of {{ units | join(", ") }} may be up (exclusive group {{ group }}), and none is at boot:
# systemctl start {{ units[0] }} stops the others first.
{% endfor %}
set -eu
cd "$(dirname "$0")"
place={{ place | shell_quote }}
{% if quadlets %}
quadlets={{ quadlets | shell_quote }}
{% endif %}

[ "$(id -u)" = 0 ] || {
    echo "install.sh: run it as root" >&2
    exit 1
}
missing=
while read -r secret; do
{% if quadlets %}
    podman secret exists "$secret" || missing="$missing $secret"
{% else %}
    [ -f "$secret" ] || missing="$missing $secret"
{% endif %}
done <<'SECRETS'
{% for secret in secrets %}
{{ secret }}
{% endfor %}
SECRETS
# What the gate looks for before a start changes nothing for a program that runs.
running() { grep -v '^ExecStartPre=' "$1" 2>/dev/null; }
changed=
reread=
kept=
while read -r file folder change; do
    unit=${file%.*}.service
    if [ "$(running "$file")" != "$(running "$place/$file")" ]; then
        changed="$changed $unit"
        continue
    fi
    if [ "$change" = reload ] && [ -d "$place/$folder" ]; then
        kept="$kept $folder"
    fi
    if [ ! -d "$folder" ] || diff -rq "$folder" "$place/$folder" >/dev/null 2>&1; then
        continue
    fi
    case $change in
        reload) reread="$reread $unit" ;;
        *) changed="$changed $unit" ;;
    esac
done <<'SERVICES'
{% for service in services %}
{{ service | join(" ") }}
{% endfor %}
SERVICES

# What this stack had here before, and has no longer.
for file in "$place"/*.service "$place"/*.container "$place"/*.mount; do
    name=${file##*/}
    if [ -f "$file" ] && [ ! -e "$name" ]; then
        case $name in
            *.container) systemctl stop "${name%.container}.service" || true ;;
            *) systemctl disable --now "$name" || true ;;
        esac
    fi
done
rm -rf "$place.new"
mkdir -p "$place.new"
cp -R . "$place.new"
# A program that runs sees the very files that were there when it started: what it can read anew changes in them.
for folder in $kept; do
    rm -rf "$place.new/$folder"
    mv "$place/$folder" "$place.new"
    cp -R "$folder" "$place.new"
done
rm -rf "$place"
mv "$place.new" "$place"
chown -R root:root "$place"
{% if quadlets %}
rm -rf "$quadlets"
mkdir -p "$quadlets"
for file in "$place"/*.container "$place"/*.network "$place"/*.volume; do
    [ ! -f "$file" ] || cp "$file" "$quadlets"
done
{% else %}
for kind in sysusers tmpfiles; do
    if [ -f "$place/$kind.conf" ]; then
        mkdir -p "/etc/$kind.d"
        ln -sf "$place/$kind.conf" "/etc/$kind.d/{{ stack }}.conf"
    fi
done
[ ! -f "$place/sysusers.conf" ] || systemd-sysusers "$place/sysusers.conf"
[ ! -f "$place/tmpfiles.conf" ] || systemd-tmpfiles --create "$place/tmpfiles.conf"
{% endif %}
for unit in "$place"/*.service "$place"/*.mount; do
    [ ! -f "$unit" ] || systemctl link "$unit"
done
systemctl daemon-reload

if [ -n "$missing" ]; then
{% if quadlets %}
    echo "nothing is started; these secrets are missing (podman secret create NAME FILE):$missing" >&2
{% else %}
    echo "nothing is started; these files with secrets are missing (the secrets.env.example tell what is in them):$missing" >&2
{% endif %}
    exit 1
fi
{% if boot %}
systemctl {{ "start" if quadlets else "enable --now" }}{% for unit in boot %} {{ unit }}.service{% endfor %}

{% endif %}
# shellcheck disable=SC2086 # a list of names
[ -z "$changed" ] || systemctl try-restart $changed
# shellcheck disable=SC2086
[ -z "$reread" ] || systemctl try-reload-or-restart $reread

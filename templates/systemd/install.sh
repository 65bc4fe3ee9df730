#!/bin/sh
# Installs the services of {{ stack }} on {{ host }}; run it there, as root, after each change. What it does, to do it by hand:
#   copies this folder to {{ place }}, where the units look for their files;
#   makes the user and the folders of sysusers.conf and tmpfiles.conf;
#   systemctl link      all units, so that systemd knows them;
#   systemctl enable    those that start at boot, and starts them;
#   systemctl restart   those that run already and whose unit or config files have changed.
{% for group, units in turns %}
# Only one of {{ units | join(", ") }} may be up (exclusive group {{ group }}), and none is at boot:
# systemctl start {{ units[0] }} stops the others first.
{% endfor %}
set -eu
cd "$(dirname "$0")"
place={{ place | shell_quote }}
units=/etc/systemd/system

[ "$(id -u)" = 0 ] || {
    echo "install.sh: run it as root" >&2
    exit 1
}
missing=
while read -r file; do
    [ -f "$file" ] || missing="$missing $file"
done <<'SECRETS'
{% for file in secrets %}
{{ file }}
{% endfor %}
SECRETS
changed=
while read -r unit folder; do
    cmp -s "$unit.service" "$place/$unit.service" || changed="$changed $unit.service"
    [ ! -d "$folder" ] || diff -rq "$folder" "$place/$folder" >/dev/null 2>&1 || changed="$changed $unit.service"
done <<'SERVICES'
{% for unit, folder in services %}
{{ unit }} {{ folder }}
{% endfor %}
SERVICES

rm -rf "$place.new"
mkdir -p "$place.new"
cp -R . "$place.new"
rm -rf "$place"
mv "$place.new" "$place"
chown -R root:root "$place"
for kind in sysusers tmpfiles; do
    if [ -f "$place/$kind.conf" ]; then
        mkdir -p "/etc/$kind.d"
        ln -sf "$place/$kind.conf" "/etc/$kind.d/{{ stack }}.conf"
    fi
done
[ ! -f "$place/sysusers.conf" ] || systemd-sysusers "$place/sysusers.conf"
[ ! -f "$place/tmpfiles.conf" ] || systemd-tmpfiles --create "$place/tmpfiles.conf"

# What this stack had here before, and has no longer.
for link in "$units"/*; do
    case $(readlink "$link" || true) in
        "$place"/*)
            if [ ! -e "$link" ]; then
                systemctl disable --now "${link##*/}" || true
                rm -f "$link"
            fi
            ;;
    esac
done
for unit in "$place"/*.service "$place"/*.mount; do
    [ ! -f "$unit" ] || systemctl link "$unit"
done
systemctl daemon-reload

if [ -n "$missing" ]; then
    echo "nothing is started; these files with secrets are missing (the secrets.env.example tell what is in them):$missing" >&2
    exit 1
fi
{% if boot %}
systemctl enable --now{% for unit in boot %} {{ unit }}.service{% endfor %}

{% endif %}
# shellcheck disable=SC2086 # a list of names
[ -z "$changed" ] || systemctl try-restart $changed

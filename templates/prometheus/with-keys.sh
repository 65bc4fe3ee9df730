#!/bin/sh
# Starts Prometheus, which reads the keys that it sends along from files only, with keys from the environment.
set -eu
umask 077
{% for variable, file in keys %}
printf %s "${{ variable }}" >{{ file | shell_quote }}
{% endfor %}
exec prometheus "$@"

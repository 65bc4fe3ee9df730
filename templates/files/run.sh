#!/bin/sh
set -eu
cd "$(dirname "$0")"

{% for name, secret in secrets %}
export {{ name }}="${{ "{" }}{{ name }}:?{{ secret }}}"
{% endfor %}
{% for name, value in env %}
export {{ name }}={{ value | shell_quote }}
{% endfor %}
exec {{ argv | shell_join }}

#!/usr/bin/env bash
# Before a service starts: is there everything that it would fail without, or, worse, run without on the CPU?
# Looks and waits; it stops, kills and changes nothing.
#
#   gate.sh [--wait SECONDS] [--device FILE] [--gpu ID=MIB] [--mount FOLDER] [--folder FOLDER] [--port NUMBER] ...
set -euo pipefail

patience=0

await() { # MESSAGE CHECK ARGUMENT...
  local message=$1
  shift
  until "$@"; do
    if ((SECONDS >= patience)); then
      echo "not started: $message" >&2
      exit 1
    fi
    sleep 1
  done
}

is_device() { [[ -c $1 || -d $1 ]]; }

free_mib() { nvidia-smi "--id=$1" --query-gpu=memory.free --format=csv,noheader,nounits; }

sees_gpu() { [[ $(free_mib "$1" 2>/dev/null) =~ ^[0-9]+$ ]]; }

has_free() { # ID MIB
  local free
  free=$(free_mib "$1") && ((free >= $2))
}

is_mounted() { ls "$1/." >/dev/null 2>&1 && mountpoint -q "$1"; }

is_folder() { [[ -d $1 ]]; }

is_free_port() { # as the kernel lists it: a hexadecimal port, and 0A for a listener
  local hex
  printf -v hex '%04X' "$1"
  ! grep -qE "^ *[0-9]+: [0-9A-F]+:$hex [0-9A-F]+:0000 0A " /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

while (($# >= 2)); do
  case $1 in
    --wait) patience=$((SECONDS + $2)) ;;
    --device) await "there is no $2: is the driver loaded?" is_device "$2" ;;
    --gpu)
      await "nvidia-smi does not see GPU ${2%%=*}" sees_gpu "${2%%=*}"
      await "GPU ${2%%=*} has less than ${2#*=} MiB free; nvidia-smi shows who holds it" \
        has_free "${2%%=*}" "${2#*=}"
      ;;
    --mount) await "$2 is not mounted" is_mounted "$2" ;;
    --folder) await "there is no folder $2" is_folder "$2" ;;
    --port) await "another program listens on port $2" is_free_port "$2" ;;
    *) break ;;
  esac
  shift 2
done
if (($#)); then
  echo "not started: the gate does not know $1" >&2
  exit 1
fi

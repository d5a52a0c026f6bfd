#!/usr/bin/env bash
# The system libraries of the desktop application on Debian and Ubuntu, and a virtual display for its tests.
#   build/desktop-libraries.sh        installs what is missing; quick when nothing is
#   build/desktop-libraries.sh line   prints the command that would
# Never fails the caller: the terminal program works without them, and what is missing is said.
set -uo pipefail

say() { printf 'bootstrap: %s\n' "$*"; }

[ "$(uname -s)" = Linux ] || exit 0
known_libraries=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null)

# Each is a list of names, the first of which this release has is meant: since the change to 64-bit times some end in t64.
missing=()
need_library() { grep -qF "$1" <<<"$known_libraries" || missing+=("$2"); }
need_library libgtk-3.so.0 'libgtk-3-0t64 libgtk-3-0'
need_library libnss3.so 'libnss3'
need_library libgbm.so.1 'libgbm1'
need_library libasound.so.2 'libasound2t64 libasound2'
command -v Xvfb >/dev/null || missing+=(xvfb)
# A window without any font shows empty boxes.
find /usr/share/fonts /usr/local/share/fonts -name '*.[to]tf' -print -quit 2>/dev/null | grep -q . ||
  missing+=(fonts-dejavu-core)

# The names to install, one line.
packages() {
  local names name
  for names in "${missing[@]}"; do
    for name in $names; do
      if apt-cache show "$name" >/dev/null 2>&1; then break; fi
    done
    printf '%s ' "$name"
  done
}
command_line() { echo "apt-get install -y --no-install-recommends $(packages)"; }

if [ "${1:-}" = line ]; then
  command_line
  exit 0
fi
if [ "${#missing[@]}" -eq 0 ]; then
  say 'libraries of the desktop application: up to date'
  exit 0
fi

give_up() {
  say "the desktop application lacks system libraries ($1). As root: $(command_line)"
  say 'everything in the terminal works without them'
  exit 0
}
command -v apt-get >/dev/null || give_up 'no apt-get here'
if [ "$(id -u)" -eq 0 ]; then
  as_root=()
elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
  as_root=(sudo)
else
  give_up 'neither root nor sudo'
fi
"${as_root[@]}" apt-get update -qq || give_up 'apt-get update failed'
read -ra names <<<"$(packages)"
say "installing libraries of the desktop application: ${names[*]}"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${names[@]}" >/dev/null || give_up 'apt-get install failed'

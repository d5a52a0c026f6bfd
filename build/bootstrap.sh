#!/usr/bin/env bash
# Installs what is missing: Node and npm from the Debian packages, then the npm packages of the lock file, then the system
# libraries of the desktop application.
# Quick when nothing is missing. Needs the Debian and npm registries (or mirrors of them) and nothing else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

node_wanted='Node 20.19 or newer in the 20 line, or 22.13 or newer,'

say() { printf 'bootstrap: %s\n' "$*"; }

fail() {
  printf 'bootstrap: %s\n' "$@" >&2
  exit 1
}

# Prints the version of the Node on the path, or nothing.
node_version() { node --version 2>/dev/null | tr -d v || true; }

# at_least VERSION LEAST
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

new_enough() {
  case $1 in
    20.*) at_least "$1" 20.19 ;;
    *) at_least "$1" 22.13 ;;
  esac
}

have_node() {
  local version
  version=$(node_version)
  [ -n "$version" ] && new_enough "$version" && command -v npm >/dev/null
}

# Runs a command as root, or fails.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    if [ -t 0 ]; then sudo "$@"; else sudo -n "$@"; fi
  else
    return 1
  fi
}

explain_node() {
  local found
  found=$(node_version)
  fail "$node_wanted with npm is needed; found ${found:-none}. $1" \
    "Install a current Node LTS in one of these ways and run this script again:" \
    "  - Debian 13 or newer, as root:  apt-get install nodejs npm" \
    "  - anything else:                the installer or archive for your system from nodejs.org"
}

install_node() {
  command -v apt-get >/dev/null || explain_node 'This system has no apt-get.'
  say 'Node is missing or too old: asking apt-get'
  as_root apt-get update -qq || explain_node 'apt-get update did not work (are you root, or allowed to use sudo?).'
  local offered
  offered=$(apt-cache policy nodejs | awk '/Candidate:/ { print $2 }')
  offered=${offered#*:}
  new_enough "${offered:-0}" || explain_node "apt-get offers ${offered:-none}, which is too old."
  say "installing nodejs $offered"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nodejs || explain_node 'apt-get install failed.'
  if ! command -v npm >/dev/null; then
    say 'installing npm'
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends npm ||
      explain_node 'apt-get install npm failed.'
  fi
  hash -r
  have_node || explain_node 'What apt-get installed is not what the path finds first.'
}

have_node || install_node
say "Node $(node_version)"

if node build/packages-installed.mjs; then
  say 'npm packages: up to date'
else
  say 'npm packages: installing from package-lock.json (about 0.8 GB on disk; half a minute on a fast line)'
  npm ci --no-audit --no-fund --no-update-notifier --loglevel=error ||
    fail 'npm ci failed; its message is above.' \
      'If packages cannot be reached, point npm at a registry that can be (npm config set registry URL).'
  node build/packages-installed.mjs ||
    fail 'some packages are still missing after npm ci; remove node_modules and run this script again.'
fi
bash build/desktop-libraries.sh
say 'ready'

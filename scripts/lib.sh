# Shared by the scripts here: sourced, not run. Sets `root` and `jobs`.
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")

# Parallel compilers: one per core, but no more than memory holds (about 1.5 GB each).
jobs=$(nproc)
memory_kb=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo 2>/dev/null || echo 0)
if [ "${memory_kb:-0}" -gt 0 ]; then
  fitting=$((memory_kb / 1500000))
  [ "$fitting" -ge 1 ] || fitting=1
  [ "$jobs" -le "$fitting" ] || jobs=$fitting
fi

# configure PRESET [CMAKE ARGUMENT...]: quiet unless it fails.
configure() {
  local preset=$1 log
  shift
  mkdir -p "$root/build"
  log=$root/build/configure-$preset.log
  if ! (cd "$root" && cmake --preset "$preset" "$@") >"$log" 2>&1; then
    cat "$log" >&2
    return 1
  fi
}

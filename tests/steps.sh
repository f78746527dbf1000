# Steps of a long command: each is named, timed, and told of at the end. Sourced by tests/run and .ci/full.
#
# `step NAME COMMAND…` runs a command here. `beside CHAIN COMMAND…` runs one at the same time as what follows; what it says is kept, and
# shown by `join`, which waits for all of them and fails if one did. A command may be a function made of steps.
#
# Where a run began with nothing built, tests/steps.txt says how the seconds were shared out when somebody last looked. A machine is
# fast or slow, so shares are compared and no seconds: a step whose share has grown by half, and by a twentieth of the run, is named.
# UPDATE_STEPS=1 writes the shares of this run there.

took=target/steps
chains=()

# Shows what each step took, whatever ended the run. $1: a name for the command; $2: its budget in minutes.
tell_at_the_end() {
  rm -rf "$took" && mkdir -p "$took"
  began_all=$SECONDS command_name=$1 budget=$2
  trap 'told=$?; kill_chains; tell_steps; exit $told' EXIT
}

step() {
  local name=$1 began=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  [ "${chain:-}" ] && printf '   beside: %s\n' "$name" >&3
  "$@"
  printf '%s\t%s\n' $((SECONDS - began)) "$name" >>"$took/seconds"
}

beside() {
  local name=$1
  shift
  (
    set -euo pipefail
    trap - EXIT
    chain=$name
    "$@"
  ) 3>&1 >"$took/$name.log" 2>&1 &
  chains+=("$name:$!")
}

# Waits for what runs beside, and shows what it said.
join() {
  local entry failed=
  for entry in "${chains[@]}"; do
    wait "${entry##*:}" || failed=yes
    cat "$took/${entry%%:*}.log"
    if [ $failed ]; then
      printf '\n%s: a step beside the others failed; it is the last one above\n' "$command_name" >&2
      exit 1
    fi
  done
  chains=()
}

# Ends what still runs beside a command that has failed.
kill_chains() {
  local entry
  for entry in "${chains[@]:-}"; do
    [ "$entry" ] && kill -0 "${entry##*:}" 2>/dev/null && pkill -TERM -P "${entry##*:}" 2>/dev/null || true
  done
}

tell_steps() {
  local all=$((SECONDS - began_all))
  [ -s "$took/seconds" ] || return 0
  printf '\n%s took %d min %02d s; its budget is %s minutes on two cores\n' "$command_name" $((all / 60)) $((all % 60)) "$budget"
  awk -F '\t' -v shares=tests/steps.txt -v of="$command_name" -v write="${UPDATE_STEPS:-}" -v compare="${CI:-}" '
    BEGIN { while ((getline line < shares) > 0) if (split(line, part, "\t") == 3) { if (part[1] == of) before[part[3]] = part[2]; else others = others line "\n" }
            else if (line ~ /^#/) comments = comments line "\n" }
    { seconds[++n] = $1; name[n] = $2; sum += $1 }
    END {
      for (i = 1; i <= n; i++) {
        share = sum ? 100 * seconds[i] / sum : 0
        told = sprintf("%5d s  %3d %%  %s", seconds[i], share, name[i])
        if (compare && name[i] in before && share > 1.5 * before[name[i]] && share > before[name[i]] + 5) told = told sprintf("   GREW: it was %d %%", before[name[i]])
        if (compare && !(name[i] in before)) told = told "   NEW: tests/steps.txt does not know it"
        print told
        mine = mine sprintf("%s\t%d\t%s\n", of, share + 0.5, name[i])
      }
      if (write) printf "%s%s%s", comments, others, mine > shares
    }' "$took/seconds"
}

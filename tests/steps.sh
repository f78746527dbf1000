# Steps of a long command: each is named, timed, and told of at the end. Sourced by tests/run.
#
# `step NAME COMMAND…` runs a command here. `beside CHAIN COMMAND…` runs one at the same time as what follows; what it says is kept, and
# shown by `join`, which waits for all of them and fails if one did. A command may be a function made of steps.
#
# tests/steps.txt says how the seconds of a run in CI, which begins with nothing built, were shared out when somebody last looked. A machine
# is fast or slow, so shares are compared and no seconds: a step whose share has grown by half, and by a twentieth of the run, is named. What
# runs beside others has no share: it takes the time that they leave. UPDATE_STEPS=1 writes the shares of a run that passes.

took=target/steps/$$
chains=()

# Shows what each step took, whatever ended the run. $1: a name for the command; $2: its budget in minutes.
tell_at_the_end() {
  rm -rf target/steps && mkdir -p "$took"
  began_all=$SECONDS command_name=$1 budget=$2
  trap 'told=$?; end_chains; tell_steps $told; exit $told' EXIT
}

step() {
  local name=$1 began=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  [ "${chain:-}" ] && printf '   beside: %s\n' "$name" >&3
  "$@"
  printf '%s\t%s\t%s\n' $((SECONDS - began)) "${chain:+beside}" "$name" >>"$took/seconds"
}

beside() {
  local name=$1
  shift
  (
    set -euo pipefail
    trap 'printf %s $? >"$took/$chain.ended"' EXIT
    chain=$name
    "$@"
  ) 3>&1 >"$took/$name.log" 2>&1 </dev/null &
  chains+=("$name:$!")
}

# Waits for what runs beside, and shows what it said.
join() {
  local entry
  for entry in "${chains[@]}"; do
    wait "${entry##*:}" || true
    cat "$took/${entry%%:*}.log"
    if [ "$(cat "$took/${entry%%:*}.ended")" != 0 ]; then
      printf '\n%s: a step beside the others failed; it is the last one above\n' "$command_name" >&2
      exit 1
    fi
  done
  chains=()
}

# Ends what still runs beside a command that has failed.
end_chains() {
  local entry
  for entry in "${chains[@]}"; do end_with_all_it_started "${entry##*:}"; done
}

# $1: a process. On Linux; elsewhere it alone.
end_with_all_it_started() {
  local child
  for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do end_with_all_it_started "$child"; done
  kill -TERM "$1" 2>/dev/null || true
}

# $1: the run's exit code.
tell_steps() {
  local all=$((SECONDS - began_all)) write=
  [ -s "$took/seconds" ] || return 0
  if [ "${UPDATE_STEPS:-}" ] && [ "$1" = 0 ]; then write=yes; fi
  printf '\n%s took %d min %02d s; its budget is %s minutes on two cores\n' "$command_name" $((all / 60)) $((all % 60)) "$budget"
  awk -F '\t' -v shares=tests/steps.txt -v of="$command_name" -v write="$write" -v compare="${CI:-}" '
    BEGIN {
      while ((getline line < shares) > 0) {
        if (split(line, part, "\t") == 3 && part[1] == of) before[part[3]] = part[2]
        else others = others line "\n"
      }
    }
    { seconds[++n] = $1; beside[n] = $2; name[n] = $3; if (!$2) sum += $1 }
    END {
      for (i = 1; i <= n; i++) {
        share = sum ? 100 * seconds[i] / sum : 0
        if (beside[i]) { printf "%5d s  beside  %s\n", seconds[i], name[i]; continue }
        told = sprintf("%5d s  %4d %%  %s", seconds[i], share, name[i])
        if (compare && !(name[i] in before)) told = told "   NEW: tests/steps.txt does not know it"
        else if (compare && share > 1.5 * before[name[i]] && share > before[name[i]] + 5)
          told = told sprintf("   GREW: it was %d %%", before[name[i]])
        print told
        mine = mine sprintf("%s\t%d\t%s\n", of, share + 0.5, name[i])
      }
      if (write) printf "%s%s", others, mine > shares
    }' "$took/seconds"
}

#!/bin/sh
# Sign an order, submit it, poll it to its end and verify every answer. POSIX sh with curl (7.55 or later), openssl and jq (1.6 or later).
#
# posnext.sh ORDER.json              submits it; exit status: 0 placed, 1 rejected or errored, 2 not known yet, 3 refused or not believed
# posnext.sh --vectors VECTORS.json  checks digest() against the published signing vectors
#
# While openssl runs, its key stands among its arguments, where other users of the machine can read it: for trying out, not for a shared host.

base_url=${POSNEXT_URL:-http://127.0.0.1:3000} base_url=${base_url%/}
client_secret=${POSNEXT_CLIENT_SECRET:-local-client-secret-0123456789abcdef}
shared_id=${POSNEXT_SHARED_ID:-a1b2c3d4e5f6a7b8c9d0}
give_up_s=${POSNEXT_GIVE_UP_S:-90}
until=$(($(date +%s) + give_up_s))
answer_s=30 longest_pause_s=20 # one answer is waited for so long; a pause that no Retry-After asks for is never longer

# Ends the run with an exit status and a line that says why.
stop() { exit_status=$1; shift; echo "$*"; exit "$exit_status"; }

work=$(mktemp -d) || stop 3 "no folder for the answers"
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# A JWT (HS256) signed with the Client Secret, good for five minutes.
token() {
  now=$(date +%s)
  signed=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url).$(printf '{"iat":%d,"exp":%d}' "$now" $((now + 300)) | base64url)
  printf '%s.%s' "$signed" "$(printf %s "$signed" | openssl dgst -sha256 -hmac "$client_secret" -binary | base64url)"
}

# What jq makes of a body. jq has only binary floats, in which 1.005 is less than it says, so `exact` turns every number into the
# text that it came as, and `cents` moves the point in that text and rounds half away from zero.
rules='
  def exact: gsub("(?<t>\"(?:[^\"\\\\]|\\\\.)*\"|-?[0-9][0-9.eE+-]*)"; if .t[:1] == "\"" then .t else "{\"number\":\"\(.t)\"}" end) | fromjson;
  def object: if type == "object" then . else {} end;
  def id: if type == "string" then . else "0" end;
  def cents: (object | .number | id | capture("^(?<s>-?)(?<w>[0-9]+)([.](?<f>[0-9]+))?([eE][+]?(?<e>-?[0-9]{1,2}))?$")
    | ("0" * 120) as $zeros | ($zeros + .w + (.f // "") + $zeros) as $digits | ((.w | length) + 122 + (.e // "0" | tonumber)) as $point
    | ($digits[:$point] | sub("^0+(?=[0-9])"; "") | tonumber + (if $digits[$point : $point + 1] >= "5" then 1 else 0 end)) as $size
    | if .s == "-" and $size > 0 then -$size else $size end) // 0;
  def seconds: (id | capture("\\A(?<t>[0-9-]{10}T[0-9:]{8})([.][0-9]+)?(Z|(?<s>[+-])(?<h>[01][0-9]|2[0-3]):(?<m>[0-5][0-9]))\\z")
    | (.t + "Z") as $t | ($t | fromdateiso8601) as $time | select(($time | todateiso8601) == $t) # there is no February 30th
    | ((.h // "0" | tonumber) * 3600 + (.m // "0" | tonumber) * 60) as $offset | if .s == "-" then $time + $offset else $time - $offset end)? // 0;
  def message: (.order_details | object) as $details
    | [(.request_uid | id), (.location_id | id), ($details.online_order_id | id),
       ($details.grand_total | cents), ($details.subtotal | cents), (.request_datetime | seconds)] | map(tostring) | join("|");
'

# digest FILE SHARED_ID: the x-pch-digest of a request's or an answer's body, over the six values it says; one that it does not say is 0.
digest() {
  message=$(jq -Rrs "$rules exact | object | message" "$1" 2>/dev/null) || return 1
  key=$(SHARED_ID=$2 jq -nr 'env.SHARED_ID[:10]') # characters, not bytes
  printf %s "$message" | openssl dgst -sha256 -hmac "$key" -r | cut -d' ' -f1
}

# header NAME: a header of the last answer
header() {
  tr -d '\r' <"$work/head" |
    awk -v name="$1:" 'tolower(substr($0, 1, length(name))) == name { sub(/^[^:]*: */, ""); value = $0 } END { print value }'
}

# verify FILE: whether the answer's x-pch-digest is that of its own values. A shell cannot compare in constant time; what two HMACs
# under a key that nobody knows have in common tells nothing of what they were made from.
verify() {
  right=$(digest "$1" "$shared_id") && once=$(openssl rand -hex 32) || return 1
  [ "$(printf %s "$right" | openssl dgst -sha256 -hmac "$once")" = "$(header x-pch-digest | tr -d '\n' | openssl dgst -sha256 -hmac "$once")" ]
}

# pause RETRY_AFTER TRIES: as long as the answer says; else exponential back-off with full jitter.
pause() {
  case $1 in
    '' | *[!0-9]*)
      most=2 doubled=0
      while [ $doubled -lt "$2" ] && [ $most -lt $longest_pause_s ]; do most=$((most * 2)) doubled=$((doubled + 1)); done
      [ $most -le $longest_pause_s ] || most=$longest_pause_s
      wait=$(($(od -An -N2 -tu2 /dev/urandom) % (most + 1))) ;;
    *) wait=$1 ;;
  esac
  [ $(($(date +%s) + wait)) -lt $until ] ||
    stop 2 "not known after $give_up_s s: read the order later, or submit it again under the same request_uid"
  sleep "$wait"
}

# ask STEP PATH CURL_ARGUMENTS: asks until there is an answer, and verifies it before it is believed; then it is in $work/answer.
ask() {
  step=$1 path=$2 asked=0
  shift 2
  while :; do
    printf 'Authorization: Bearer %s\nExpect:\n' "$(token)" >"$work/token"
    : >"$work/head"
    : >"$work/body"
    left=$((until - $(date +%s)))
    [ $left -ge 1 ] || left=1
    [ $left -le $answer_s ] || left=$answer_s
    # curl follows no redirect unless it is told to: the token is for this server alone.
    code=$(curl -s --max-time $left -H "@$work/token" -D "$work/head" -o "$work/body" -w '%{http_code}' "$@" "$base_url$path") || code='no answer'
    case $code in 'no answer' | 429 | 5??) ;; *) break ;; esac
    # Not done, or nobody knows. The same request_uid with the same content is safe to send again: it is not done twice.
    echo "$step $code"
    pause "$(header retry-after)" $asked
    asked=$((asked + 1))
  done
  text=$work/body unsigned=' (not signed with our SharedId)'
  [ "$code" != 304 ] || text=$work/answer # nothing has changed, and what was read last is what the signature is over
  if verify "$text"; then unsigned=; fi
  case $code in
    200 | 202 | 304) ;;
    *) stop 3 "refused $code $(jq -r '.errors[0].code' "$text" 2>/dev/null)$unsigned" ;;
  esac
  # An error's digest is over no order and fits any body without one: it must be this order that the answer is about.
  [ -z "$unsigned" ] && [ "$(jq -r .request_uid "$text")" = "$request_uid" ] ||
    stop 3 "$step $code wrong signature: nothing of this answer is believed"
  [ "$code" = 304 ] || cp "$work/body" "$work/answer"
  status=$(jq -r .status "$work/answer")
  echo "$step $code $status"
}

submit() {
  ask submit /posnext/order/submit --data-binary "@$work/order" -H 'Content-Type: application/json' \
    -H "x-pch-digest: $(digest "$work/order" "$shared_id")"
}

poll() {
  etag=$(header etag)
  ask poll "/posnext/orders/$request_uid" ${etag:+-H "If-None-Match: $etag"}
}

# Puts in the ids and the time that an order lacks; in its text, for an order written anew could say other amounts.
fill_in() {
  jq -Rjs --arg uid "$(openssl rand -hex 16)" --arg now "$(date -u +%Y-%m-%dT%H:%M:%S.000Z)" "$rules"'
    (exact | object) as $order
    | if $order | has("request_uid") then . else sub("\\{"; "{\"request_uid\":\"\($uid)\",") end
    | if $order | has("request_datetime") then . else sub("\\{"; "{\"request_datetime\":\"\($now)\",") end
    | if $order.order_details | object | has("online_order_id") then .
      else sub("(?<start>\"order_details\"\\s*:\\s*\\{)(?=\\s*\")"; "\(.start)\"online_order_id\":\"ORD-\($uid)\",") end' "$1"
}

run() {
  fill_in "$1" >"$work/order" || stop 3 "$1 is missing or no JSON"
  request_uid=$(jq -r .request_uid "$work/order")
  echo "order $request_uid"
  submit
  polled=0
  while :; do
    case $status in
      placed) stop 0 "placed $(jq -r .order_details.pos_order_id "$work/answer")" ;;
      rejected | errored) stop 1 "$status $(jq -r '[.errors[]?.code] | join(" ")' "$work/answer")" ;;
    esac
    pause "$(header retry-after)" $polled # 202 is no success yet
    polled=$((polled + 1))
    poll
  done
}

vectors() {
  count=$(jq '.vectors | length' "$1") || stop 3 "$1 is missing or no JSON"
  number=0 right_ones=0 wrong=
  while [ $number -lt "$count" ]; do
    jq -j ".vectors[$number].body" "$1" >"$work/vector"
    expected=$(jq -r ".vectors[$number] | if .expect == \"sign\" then .digest else \"another\" end" "$1")
    made=$(digest "$work/vector" "$(jq -r .shared_id "$1")")
    [ "$made" != "$(jq -r ".vectors[$number].digest" "$1")" ] && made=another
    if [ "$made" = "$expected" ]; then right_ones=$((right_ones + 1)); else wrong="$wrong $(jq -r ".vectors[$number].name" "$1")"; fi
    number=$((number + 1))
  done
  echo "$right_ones of $count vectors right$wrong"
  [ -z "$wrong" ] && [ "$count" -gt 0 ]
}

[ ${#shared_id} -ge 10 ] && [ $# -ge 1 ] || stop 3 "usage: posnext.sh ORDER.json; a SharedId has at least 10 characters"
if [ "$1" = --vectors ]; then vectors "$2"; else run "$1"; fi

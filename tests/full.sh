# What `tests/run full` does besides: sourced by it. One chain builds, which takes both processors; the other mostly waits.

export SAM_CLI_TELEMETRY=0
counted=(submit-order get-order process-order)

# The deployment proves the template and not the optimiser: built with the profile "deployment" (Cargo.toml), in a folder of its own. sam
# knows no profile but release, so it is given a cargo that does.
deployment_build() {
  PATH="$PWD/tests/tools/deployment:$PATH" CARGO_TARGET_DIR=$PWD/target/deployment \
    sam build --parameter-overrides Architecture=x86_64
}

# As they are shipped, and as sam builds them: each from its own folder, with the features that it alone asks for.
counted_build() {
  local name
  for name in "${counted[@]}"; do
    (cd "functions/$name" && cargo lambda build --locked --release --lambda-dir "$OLDPWD/target/counted" --bin "$name")
  done
}

count() {
  tests/bench/run --bootstraps target/counted --only "$(IFS=, && printf '%s' "${counted[*]}")"
}

builds() {
  step "the template, built for its deployment" deployment_build
  touch "$took/deployable"
  if [ $counter ]; then step "three functions, built as they are shipped" counted_build; fi
  step "what we are made of" tests/supply-chain
  if [ $counter ]; then step "what three functions cost, counted" count; fi
}

lint_template() {
  # Neither has anything to ask of AWS, but sam wants to know a region.
  AWS_DEFAULT_REGION=us-east-1 sam validate --lint
  cfn-lint template.yaml
}

deployed() {
  export CARGO_NET_OFFLINE=true
  if [ $nextest ]; then
    tests/in-namespace cargo nextest run "${workspace[@]}" --test deployed --run-ignored only --no-tests fail
  else
    tests/in-namespace cargo test "${workspace[@]}" --test deployed -- --ignored
  fi
}

export PATH="$PWD/target/aws-tools/sam/bin:$PATH"

# In the build that is there: to optimise it takes as long as it saves.
seeds() {
  target/debug/posnext-simulate --seeds 101-600
}

beside builds builds
step "five hundred seeds of the simulation" seeds
if has npm && has chromium; then step "the order board in a browser" tests/board/run; fi
if has npm && has node; then step "webhooks, verified by the scheme's own library" tests/webhooks/run; fi
step "the product, held to docs/openapi.json" tests/explore/run 40
step "the template, linted" lint_template
until [ -e "$took/deployable" ]; do
  kill -0 "${chains[-1]##*:}" 2>/dev/null || join
  sleep 1
done
step "the template, deployed to a local AWS; the functions under Lambda's emulator and cargo lambda" deployed
join

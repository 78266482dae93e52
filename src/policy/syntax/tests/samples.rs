//! Healthy policies that between them use every statement and every form of it.

pub const ALL: &[&str] = &[
    HELLO,
    BASICS,
    CONDITIONS,
    OWN_ATTRIBUTES,
    POOLS,
    LADDER,
    BODY,
    EXPERIMENT,
    BUDGETS,
    RESIDENCY,
    PLATFORM,
    PROOFS,
    LAYOUT,
    EMPTY,
];

pub const EMPTY: &str = "# nothing but a comment\n";

pub const HELLO: &str = "pool any = models pick cheapest\ndefault -> any\n";

pub const BASICS: &str = r#"language 1

# what may be used
pool little = [acme/mini-1, globex/flash-2.5-lite, local/q3-8b:q4@7] pick cheapest
pool big    = [acme/huge-4.5, globex/pro] pick best

deny pictures when request.images > 0 and key.tier == free because "Pictures cost extra" status 402
invariant cheap-is-cheap when key.tier == free {
  every model where price.output <= $1/Mtok
}

# first match wins
route code  when task == code and key.tier in [pro, enterprise] -> big
route short when input.tokens < 2k -> little
default -> little
"#;

pub const CONDITIONS: &str = r#"let wide    = input.tokens > 32k or request.tools > 8
let friend  = key.org in ["a", "b"] or key.tags has "friend"
let regions = [north, south, "west", 3, 1.5, true, -7, 4Ki, 2.5k]
schedule open  = mon..fri 09:00..18:00 Europe/Berlin
schedule feast = sun America/Port-au-Prince
schedule late  = daily 22:00..24:00 Etc/GMT+5
assume not (key.tier == free and key.tags has "sla")
pool p = models pick first
route a when wide and not friend and time in open -> p
route b when not not wide or (friend or wide) and not (friend and wide) -> p
route c when request.stream -> p
route d when input.tokens in 2k..8k and input.tokens not in 4k..5k tokens -> p
route e when key.tags has any ["a", "b"] and key.tags has all ["c"] and key.meta["x y"] != "z" -> p
route f when request.model like "gpt-5*" or request.model like ["a*", "b?"] -> p
route g when request.path matches /^\/v1\/[a-z#"]+\d$/ -> p
route h when key.user is present and session.id is absent and key.user is not absent -> p
route i when spend.key.day >= $1.50 and data.class in [] and header["x-y"] == "q\"\\\n\u{1F600}" -> p
route j
  when budget["a"].used > 33.33% # halfway comment
   and request.bytes <= 512KiB
    or
    attempt.latency < 1h
  -> p
route k when time.date >= 2026-09-01 and time == 09:30 and rate.key.rpm > 60/min -> p
route l when price.input < $3/Mtok and price.input < $0.01/ktok and price.image <= $0.04/image -> p
default -> p
"#;

pub const OWN_ATTRIBUTES: &str = r#"enum tier  = free | pro | enterprise
enum topic = billing |
  legal
  | other
attribute key.tier: tier from key.meta["plan"] else free
attribute data.residency: enum any | eu | us from header "x-residency" else any
attribute signal.topic: topic from classifier "topic-v2" { timeout 30ms } else other
attribute signal.risk: float 0..1 from script "risk.rhai" { max_ops 20_000, timeout 2ms } else 0.5
attribute flag: bool
attribute tag["a"]: set
default -> all
"#;

pub const POOLS: &str = r#"pool cheap  = [acme/nano, globex/lite,] pick cheapest
pool long   = models where context >= 256k and tools and price.output <= $5/Mtok
              pick fastest
pool eu     = models where region in [eu-west, eu-central] and retention == zero
pool strong = models where quality >= 80 and not reasoning plus [acme/five] except cheap pick best of 3
pool ranked = shared.base plus long pick script "rank.rhai" { max_ops 1k } of 2
pool idle   = [
  acme/one, # the old one
  acme/two
] pick least-busy
pool around = models pick round-robin
alias "old-name" -> acme/five
alias "other" -> around
split canary by user.id, key.id salt "2026-09" {
  5% -> cheap
  new 33.33% -> eu; rest -> strong
}
split plain { rest -> cheap }
default -> canary
"#;

pub const LADDER: &str = r#"ladder climb {
  max_cost $0.05          # everything together
  deadline 45s
  hold full

  step draft -> small  escalate when failed or refused or logprob.mean < -1.1
  step solid -> medium escalate when failed or judge["fair"] < 0.5 { timeout ttft 4s }
  # the last
  step final -> large  { timeout ttft 4s; hold 64 tokens; hold 200ms; hold none }
  # nothing behind it
}
default -> climb
"#;

pub const BODY: &str = r#"route chat when task == chat -> main {
  only models where tools and price.output <= $4/Mtok
  floor quality >= 60
  timeout  total 60s, ttft 4s, attempt 20s, idle 10s
  retry 2 on rate_limited, overloaded backoff 200ms..2s
  retry 1 on transient backoff 1s
  retry 0
  fallback fast, acme/one on timeout, server_error
  fallback fast
  hedge after 1500ms to fast max 1
  hedge after p95 to fast
  cap $0.03 per request else degrade to fast
  cap $1 per request
    else deny "Too dear"
  set temperature = 0.2
  set max_output <= 2k
  set max_output >= 10
  set reasoning = low
  prompt prepend "Answer in the user's language."
  prompt append file "house.txt"
  prompt replace """Two
lines with a " and a \ in them."""
  cache exact ttl 1h key [model, messages, tools, user.id]
  cache semantic 0.95 ttl 1d
  cache off
  sticky by session.id for 30min
  shadow 1% to fast
  tag workload = chat
  log bodies off
  log bodies on
  log prompts 2.5%
  pick fastest
}
defaults { timeout total 90s; cap $0.50 per request else queue 3s }
tune nights when time in open { set reasoning = low }
default -> main { fallback fast on any }
"#;

pub const EXPERIMENT: &str = r#"experiment next by session.id salt "x" {
  arm next   1% -> next-model
  arm stable rest -> stable
  ramp next 1% .. 10% .. 50% every 2d from 2026-09-01
  ramp next 1%..2% every 1w
  metric cost, ttft.p95, refusal_rate
  guard refusal_rate < 1% and json_error_rate < 0.5% over 1000 samples else halt to stable
  guard cost < $1 else halt to stable
  ends 2026-10-15 -> stable
}
default -> next
"#;

pub const BUDGETS: &str = r#"budget team-month $2_000 per month per key.team {
  at 80%  warn
  at 95%  degrade to small
  at 100% deny "The team budget is used up"
}
budget user-day $5 per day per user.id when key.env == prod { at 100% queue 10s }
limit talk 200k tokens/min per key.team else queue 20s
limit calls 60/min per key.id when key.tier == free else deny
limit fair 40 concurrent per key.team else warn
default -> small
"#;

pub const RESIDENCY: &str = r#"require at-home when data.residency == eu
  only models where region in [eu-west, eu-central] and retention == zero
require always only models where not trains_on_data
route private when signal.pii and data.residency != us -> eu { log bodies off; cache off }
default -> eu
invariant stays when data.residency == eu {
  every model where region in [eu-west, eu-central]
  no shadow
}
"#;

pub const PLATFORM: &str = r#"language 1
import "shared/pools.policy" as shared
import "shared/tiers.policy"
delegate search when key.team == "search" to "teams/search.policy"
delegate support
  when key.team == "support"
  to "teams/support.policy"
route long when input.tokens > 128k -> shared.long { cap $0.80 per request else deny "Too long" }
route named when request.model != "auto" and key.allows_model -> requested
default -> shared.cheap-first
"#;

pub const PROOFS: &str = r#"invariant all-claims {
  every model where local
  some model where tools
  no model where tags has "preview"
  max_cost <= $1
  max_attempts <= 6
  max_latency <= 2min
  no shadow
  never denied
  always denied
  route in [a, search.chat]
}
test "one request" {
  given key.tier = pro, input.tokens = 12k, key.tags = ["a", "b"],
        budget["team-month"].used = 96%
  given request.stream = false
  attempt 1 refused after 2s
  attempt 2 ok
  expect answered by large
  expect answered by acme/five
  expect denied
  expect denied by frozen
  expect every model in small
  expect some model where quality >= 80
  expect attempts == 2 and cost <= $0.10
  expect route == search.chat
}
"#;

pub const LAYOUT: &str = "# head of the file\n\n\n## documents the pool\npool a = models   pick first   # behind it\r\n\n\n\n# one\n# two\n\n# three\nroute x when a and ( b  or c )->a {# at the brace\n\n  cache off\n\n\n  # before log\n  log bodies off # after log\n\n  # tail one\n\n  # tail two\n} # after the block\ndefault -> a\n\n# the end\n";

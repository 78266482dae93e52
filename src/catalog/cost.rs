//! The arithmetic of prices: exact sums in 10⁻¹⁵ dollar, rounded up once.

use super::model::{Model, Prices, TokenPrices};
use crate::units::{NanoDollars, PricePerMillion, Tokens, round_up};

/// What a request used, in classes that do not overlap: no token is in two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenCounts {
    /// Prompt tokens that touched no cache.
    pub input: Tokens,
    /// Prompt tokens read from the provider's cache.
    pub cache_read: Tokens,
    /// Prompt tokens written to the provider's cache for five minutes.
    pub cache_write: Tokens,
    /// Prompt tokens written to the provider's cache for an hour.
    pub cache_write_1h: Tokens,
    /// Visible answer tokens.
    pub output: Tokens,
    /// Thinking tokens.
    pub reasoning: Tokens,
    /// Sound in the prompt.
    pub audio_in: Tokens,
    /// Sound in the answer.
    pub audio_out: Tokens,
    /// Images in the prompt that are billed by the piece.
    pub images: u32,
    /// Requests that are billed by the piece.
    pub requests: u32,
}

impl TokenCounts {
    /// All tokens of the prompt: what decides which price step holds.
    pub fn prompt(&self) -> Tokens {
        self.input + self.cache_read + self.cache_write + self.cache_write_1h + self.audio_in
    }

    /// All tokens of the answer.
    pub fn answer(&self) -> Tokens {
        self.output + self.reasoning + self.audio_out
    }
}

impl TokenPrices {
    fn cache_read(&self) -> PricePerMillion {
        self.cached.unwrap_or(self.input)
    }
    fn cache_write(&self) -> PricePerMillion {
        self.cache_write.unwrap_or(self.input)
    }
    fn cache_write_1h(&self) -> PricePerMillion {
        self.cache_write_1h.unwrap_or(self.cache_write())
    }
    fn reasoning(&self) -> PricePerMillion {
        self.reasoning.unwrap_or(self.output)
    }
    fn audio_in(&self) -> PricePerMillion {
        self.audio_input.unwrap_or(self.input)
    }
    fn audio_out(&self) -> PricePerMillion {
        self.audio_output.unwrap_or(self.output)
    }
}

/// What this use costs at these prices. The length of the prompt decides the step, and the step
/// prices the whole request.
pub fn cost(prices: &Prices, used: &TokenCounts) -> NanoDollars {
    let at = prices.at(used.prompt());
    let tokens = [
        (at.input, used.input),
        (at.cache_read(), used.cache_read),
        (at.cache_write(), used.cache_write),
        (at.cache_write_1h(), used.cache_write_1h),
        (at.output, used.output),
        (at.reasoning(), used.reasoning),
        (at.audio_in(), used.audio_in),
        (at.audio_out(), used.audio_out),
    ];
    // Eight products of 64-bit numbers fit 128 bits only just not: saturate, as money does.
    let femto = tokens
        .into_iter()
        .fold(0u128, |sum, (price, count)| sum.saturating_add(price.femto_dollars(count)));
    let pieces = by_the_piece(prices, used.images, used.requests);
    round_up(femto.saturating_add(pieces))
}

/// Fees that are not for tokens, in 10⁻¹⁵ dollar.
fn by_the_piece(prices: &Prices, images: u32, requests: u32) -> u128 {
    let fee = |price: Option<NanoDollars>, count: u32| {
        u128::from(price.map_or(0, |price| price.0)) * u128::from(count) * 1_000_000
    };
    fee(prices.image, images) + fee(prices.request, requests)
}

/// The most that one request can cost: `None` if the model is unpriced.
///
/// The answer is bounded by what the caller allows, by what the model can, and by what the prompt
/// leaves of the context; each of its tokens costs the dearer of answer and thinking. Prompt tokens
/// cost the dearer of plain and written to the five-minute cache, because some providers write it
/// unasked. Two things a request must ask for are not in it: sound, and the one-hour cache; for
/// those, count the prompt by class and use [`worst_case_of`].
///
/// Near the context limit a longer prompt leaves less answer, so this is not monotone in `input`.
pub fn worst_case(
    model: &Model,
    input: Tokens,
    images: u32,
    max_output: Option<Tokens>,
) -> Option<NanoDollars> {
    let prices = model.prices.as_ref()?;
    let at = prices.at(input);
    let prompt = at.input.max(at.cache_write());
    let prompt = prompt.femto_dollars(input);
    Some(with_longest_answer(model, prices, prompt, input, images, max_output))
}

/// As [`worst_case`], for a prompt whose classes are known; what `prompt` says of the answer and of
/// the number of requests is not looked at.
pub fn worst_case_of(
    model: &Model,
    prompt: &TokenCounts,
    max_output: Option<Tokens>,
) -> Option<NanoDollars> {
    let prices = model.prices.as_ref()?;
    let at = prices.at(prompt.prompt());
    let tokens = [
        (at.input, prompt.input),
        (at.cache_read(), prompt.cache_read),
        (at.cache_write(), prompt.cache_write),
        (at.cache_write_1h(), prompt.cache_write_1h),
        (at.audio_in(), prompt.audio_in),
    ];
    let femto = tokens
        .into_iter()
        .fold(0u128, |sum, (price, count)| sum.saturating_add(price.femto_dollars(count)));
    let length = prompt.prompt();
    Some(with_longest_answer(model, prices, femto, length, prompt.images, max_output))
}

/// The price of a prompt, and of the longest and dearest answer to it.
fn with_longest_answer(
    model: &Model,
    prices: &Prices,
    prompt_femto: u128,
    prompt: Tokens,
    images: u32,
    max_output: Option<Tokens>,
) -> NanoDollars {
    let at = prices.at(prompt);
    let room = Tokens(model.context.0.saturating_sub(prompt.0));
    let answer = max_output.unwrap_or(model.max_output).min(model.max_output).min(room);
    let answer = at.output.max(at.reasoning()).femto_dollars(answer);
    let pieces = by_the_piece(prices, images, 1);
    round_up(prompt_femto.saturating_add(answer).saturating_add(pieces))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::catalog::model::{Capabilities, Retention};
    use crate::ids::{ModelId, ProviderId};

    fn dollars(text: &str) -> PricePerMillion {
        PricePerMillion(crate::catalog::scalar::Dollars::parse(text).unwrap().0.0)
    }

    fn flat(input: &str, output: &str) -> TokenPrices {
        TokenPrices {
            input: dollars(input),
            output: dollars(output),
            cached: None,
            cache_write: None,
            cache_write_1h: None,
            reasoning: None,
            audio_input: None,
            audio_output: None,
        }
    }

    fn only(base: TokenPrices) -> Prices {
        Prices { base, above: Vec::new(), image: None, request: None }
    }

    fn model(prices: Option<Prices>, context: u64, max_output: u64) -> Model {
        Model {
            id: ModelId::new("x/m"),
            provider: ProviderId::new("x"),
            upstream_name: Arc::from("m"),
            family: Arc::from("m"),
            context: Tokens(context),
            max_output: Tokens(max_output),
            capabilities: Capabilities::default(),
            prices,
            region: None,
            retention: Retention::Unknown,
            trains_on_data: true,
            quality: None,
            tags: Default::default(),
            retires: None,
            source: Arc::from("test"),
            date: jiff::civil::date(2026, 1, 1),
        }
    }

    #[test]
    fn a_request_worked_out_by_hand() {
        // 1000 × $3 + 500 × $0.30 + 200 × $3.75 + 100 × $6 + 300 × $15, per million.
        let prices = only(TokenPrices {
            cached: Some(dollars("0.30")),
            cache_write: Some(dollars("3.75")),
            cache_write_1h: Some(dollars("6")),
            ..flat("3", "15")
        });
        let used = TokenCounts {
            input: Tokens(1000),
            cache_read: Tokens(500),
            cache_write: Tokens(200),
            cache_write_1h: Tokens(100),
            output: Tokens(300),
            ..TokenCounts::default()
        };
        assert_eq!(cost(&prices, &used).to_string(), "0.009");
    }

    #[test]
    fn fractions_of_a_nano_dollar_are_rounded_up_once() {
        // 37.5 nano-dollars per token each: 75 together, not 38 + 38.
        let prices = only(flat("0.0375", "0.0375"));
        let used = TokenCounts { input: Tokens(1), output: Tokens(1), ..TokenCounts::default() };
        assert_eq!(cost(&prices, &used), NanoDollars(75));
    }

    #[test]
    fn a_step_prices_the_whole_request_strictly_above_its_threshold() {
        let prices =
            Prices { above: vec![(Tokens(200_000), flat("4", "18"))], ..only(flat("2", "12")) };
        let used = |cache_read| TokenCounts {
            input: Tokens(100_000),
            cache_read: Tokens(cache_read),
            ..TokenCounts::default()
        };
        assert_eq!(cost(&prices, &used(100_000)).to_string(), "0.4");
        assert_eq!(cost(&prices, &used(100_001)).to_string(), "0.800004");
    }

    #[test]
    fn pieces_are_billed_by_the_piece() {
        let prices = Prices {
            image: Some(NanoDollars(40_000_000)),
            request: Some(NanoDollars(5_000_000)),
            ..only(flat("0", "0"))
        };
        let used = TokenCounts { images: 2, requests: 1, ..TokenCounts::default() };
        assert_eq!(cost(&prices, &used).to_string(), "0.085");
    }

    #[test]
    fn the_longest_answer_is_bounded_three_ways() {
        let model = model(Some(only(flat("0", "1"))), 10_000, 4_000);
        let worst = |input, allowed: Option<u64>| {
            worst_case(&model, Tokens(input), 0, allowed.map(Tokens)).unwrap()
        };
        assert_eq!(worst(0, Some(100)), NanoDollars(100_000));
        assert_eq!(worst(0, Some(99_999)), NanoDollars(4_000_000));
        assert_eq!(worst(0, None), NanoDollars(4_000_000));
        assert_eq!(worst(9_500, None), NanoDollars(500_000));
        assert_eq!(worst(20_000, None), NanoDollars::ZERO);
    }

    #[test]
    fn unpriced_is_not_free() {
        assert_eq!(worst_case(&model(None, 10, 10), Tokens(1), 0, None), None);
        assert_eq!(worst_case_of(&model(None, 10, 10), &TokenCounts::default(), None), None);
    }

    #[test]
    fn nothing_overflows() {
        let most = PricePerMillion(u64::MAX);
        let prices = only(TokenPrices { input: most, output: most, ..flat("0", "0") });
        let all = Tokens(u64::MAX);
        let used = TokenCounts {
            input: all,
            cache_read: all,
            cache_write: all,
            cache_write_1h: all,
            output: all,
            reasoning: all,
            audio_in: all,
            audio_out: all,
            images: u32::MAX,
            requests: u32::MAX,
        };
        assert_eq!(cost(&prices, &used), NanoDollars(u64::MAX));
        let model = model(Some(prices), u64::MAX, u64::MAX);
        assert!(worst_case(&model, all, u32::MAX, None).is_some());
    }

    prop_compose! {
        fn any_price()(nano in 0u64..1_000_000_000_000) -> PricePerMillion { PricePerMillion(nano) }
    }

    prop_compose! {
        fn any_token_prices()(
            input in any_price(), output in any_price(),
            cached in proptest::option::of(any_price()),
            cache_write in proptest::option::of(any_price()),
            cache_write_1h in proptest::option::of(any_price()),
            reasoning in proptest::option::of(any_price()),
            audio_input in proptest::option::of(any_price()),
            audio_output in proptest::option::of(any_price()),
        ) -> TokenPrices {
            TokenPrices {
                input, output, cached, cache_write, cache_write_1h, reasoning, audio_input,
                audio_output,
            }
        }
    }

    prop_compose! {
        fn any_prices()(
            base in any_token_prices(),
            image in proptest::option::of(0u64..1_000_000_000),
            request in proptest::option::of(0u64..1_000_000_000),
        ) -> Prices {
            Prices {
                base,
                above: Vec::new(),
                image: image.map(NanoDollars),
                request: request.map(NanoDollars),
            }
        }
    }

    prop_compose! {
        fn any_counts()(
            tokens in proptest::array::uniform8(0u64..2_000_000), images in 0u32..50, requests in 0u32..3,
        ) -> TokenCounts {
            let [input, cache_read, cache_write, cache_write_1h, output, reasoning, audio_in, audio_out] =
                tokens.map(Tokens);
            TokenCounts {
                input, cache_read, cache_write, cache_write_1h, output, reasoning, audio_in,
                audio_out, images, requests,
            }
        }
    }

    fn sum(a: &TokenCounts, b: &TokenCounts) -> TokenCounts {
        TokenCounts {
            input: a.input + b.input,
            cache_read: a.cache_read + b.cache_read,
            cache_write: a.cache_write + b.cache_write,
            cache_write_1h: a.cache_write_1h + b.cache_write_1h,
            output: a.output + b.output,
            reasoning: a.reasoning + b.reasoning,
            audio_in: a.audio_in + b.audio_in,
            audio_out: a.audio_out + b.audio_out,
            images: a.images + b.images,
            requests: a.requests + b.requests,
        }
    }

    proptest! {
        #[test]
        fn more_use_never_costs_less(prices in any_prices(), a in any_counts(), b in any_counts()) {
            prop_assert!(cost(&prices, &sum(&a, &b)) >= cost(&prices, &a));
        }

        /// Rounding once: together is never dearer than apart, and at most a nano-dollar cheaper.
        #[test]
        fn the_whole_is_the_sum_of_its_parts(
            prices in any_prices(), a in any_counts(), b in any_counts(),
        ) {
            let apart = cost(&prices, &a) + cost(&prices, &b);
            let together = cost(&prices, &sum(&a, &b));
            prop_assert!(together <= apart);
            prop_assert!(apart.saturating_sub(together) <= NanoDollars(1));
        }

        #[test]
        fn the_worst_case_bounds_every_answer(
            prices in any_prices(), input in 0u64..100_000, images in 0u32..5,
            context in 1u64..200_000, allowed in proptest::option::of(0u64..50_000),
            written in 0.0f64..=1.0, answered in 0.0f64..=1.0, thought in 0.0f64..=1.0,
        ) {
            let model = model(Some(prices.clone()), context, context);
            let input = input.min(context);
            let room = allowed.unwrap_or(u64::MAX).min(context - input);
            let answer = (room as f64 * answered) as u64;
            let reasoning = (answer as f64 * thought) as u64;
            let cache_write = (input as f64 * written) as u64;
            let used = TokenCounts {
                input: Tokens(input - cache_write),
                cache_write: Tokens(cache_write),
                output: Tokens(answer - reasoning),
                reasoning: Tokens(reasoning),
                images,
                requests: 1,
                ..TokenCounts::default()
            };
            let spent = cost(&prices, &used);
            let allowed = allowed.map(Tokens);
            let bound = worst_case(&model, Tokens(input), images, allowed).unwrap();
            prop_assert!(spent <= bound, "{spent} > {bound}");
            let closer = worst_case_of(&model, &used, allowed).unwrap();
            prop_assert!(spent <= closer && closer <= bound, "{spent} {closer} {bound}");
        }

        #[test]
        fn a_longer_allowance_never_bounds_lower(
            prices in any_prices(), input in 0u64..10_000, less in 0u64..10_000, more in 0u64..10_000,
        ) {
            let model = model(Some(prices), 12_000, 8_000);
            let worst = |allowed| worst_case(&model, Tokens(input), 0, Some(Tokens(allowed)));
            prop_assert!(worst(less + more) >= worst(less));
        }
    }
}

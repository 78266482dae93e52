//! The arithmetic of prices: exact sums in 10⁻¹⁵ dollar, rounded up once.

use super::model::{Model, Prices, TokenPrices};
use crate::dialect::Usage;
use crate::units::{NanoDollars, PricePerMillion, Tokens, round_up};

/// What is billed by the piece and not by the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pieces {
    /// Images in the prompt.
    pub images: u32,
    /// Requests.
    pub requests: u32,
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
    fn image_out(&self) -> PricePerMillion {
        self.image_output.unwrap_or(self.output)
    }
}

/// What this use costs at these prices. The length of the prompt decides the step, and the step
/// prices the whole request.
pub fn cost(prices: &Prices, used: &Usage, pieces: Pieces) -> NanoDollars {
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
        (at.input, used.image_in),
        (at.image_out(), used.image_out),
    ];
    // Ten products of 64-bit numbers may not fit 128 bits: saturate, as money does.
    let femto = tokens
        .into_iter()
        .fold(0u128, |sum, (price, count)| sum.saturating_add(price.femto_dollars(count)));
    let pieces = by_the_piece(prices, pieces);
    round_up(femto.saturating_add(pieces))
}

/// Fees that are not for tokens, in 10⁻¹⁵ dollar.
fn by_the_piece(prices: &Prices, pieces: Pieces) -> u128 {
    let fee = |price: Option<NanoDollars>, count: u32| {
        u128::from(price.map_or(0, |price| price.0)) * u128::from(count) * 1_000_000
    };
    fee(prices.image, pieces.images) + fee(prices.request, pieces.requests)
}

/// The most that one request can cost: `None` if the model is unpriced.
///
/// The answer is bounded by what the caller allows, by what the model can, and by what the prompt
/// leaves of the context; each of its tokens costs the dearer of answer and thinking. Prompt tokens
/// cost the dearer of plain and written to the five-minute cache, because some providers write it
/// unasked. Two things a request must ask for are not in it: sound, and the one-hour cache.
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
    let pieces = by_the_piece(prices, Pieces { images, requests: 1 });
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
            image_output: None,
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
        let used = Usage {
            input: Tokens(1000),
            cache_read: Tokens(500),
            cache_write: Tokens(200),
            cache_write_1h: Tokens(100),
            output: Tokens(300),
            ..Usage::default()
        };
        assert_eq!(cost(&prices, &used, Pieces::default()).to_string(), "0.009");
    }

    #[test]
    fn fractions_of_a_nano_dollar_are_rounded_up_once() {
        // 37.5 nano-dollars per token each: 75 together, not 38 + 38.
        let prices = only(flat("0.0375", "0.0375"));
        let used = Usage { input: Tokens(1), output: Tokens(1), ..Usage::default() };
        assert_eq!(cost(&prices, &used, Pieces::default()), NanoDollars(75));
    }

    #[test]
    fn a_step_prices_the_whole_request_strictly_above_its_threshold() {
        let prices =
            Prices { above: vec![(Tokens(200_000), flat("4", "18"))], ..only(flat("2", "12")) };
        let used = |cache_read| Usage {
            input: Tokens(100_000),
            cache_read: Tokens(cache_read),
            ..Usage::default()
        };
        assert_eq!(cost(&prices, &used(100_000), Pieces::default()).to_string(), "0.4");
        assert_eq!(cost(&prices, &used(100_001), Pieces::default()).to_string(), "0.800004");
    }

    #[test]
    fn pieces_are_billed_by_the_piece() {
        let prices = Prices {
            image: Some(NanoDollars(40_000_000)),
            request: Some(NanoDollars(5_000_000)),
            ..only(flat("0", "0"))
        };
        let pieces = Pieces { images: 2, requests: 1 };
        assert_eq!(cost(&prices, &Usage::default(), pieces).to_string(), "0.085");
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
    }

    #[test]
    fn nothing_overflows() {
        let most = PricePerMillion(u64::MAX);
        let prices = only(TokenPrices { input: most, output: most, ..flat("0", "0") });
        let all = Tokens(u64::MAX);
        let used = Usage {
            input: all,
            cache_read: all,
            cache_write: all,
            cache_write_1h: all,
            output: all,
            reasoning: all,
            audio_in: all,
            audio_out: all,
            image_in: all,
            image_out: all,
        };
        let pieces = Pieces { images: u32::MAX, requests: u32::MAX };
        assert_eq!(cost(&prices, &used, pieces), NanoDollars(u64::MAX));
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
            image_output in proptest::option::of(any_price()),
        ) -> TokenPrices {
            TokenPrices {
                input, output, cached, cache_write, cache_write_1h, reasoning, audio_input,
                audio_output, image_output,
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
            tokens in proptest::array::uniform10(0u64..2_000_000), images in 0u32..50, requests in 0u32..3,
        ) -> (Usage, Pieces) {
            let [
                input, cache_read, cache_write, cache_write_1h, output, reasoning, audio_in, audio_out,
                image_in, image_out,
            ] = tokens.map(Tokens);
            let usage = Usage {
                input, cache_read, cache_write, cache_write_1h, output, reasoning, audio_in, audio_out,
                image_in, image_out,
            };
            (usage, Pieces { images, requests })
        }
    }

    type Counts = (Usage, Pieces);

    fn cost_of(prices: &Prices, (usage, pieces): &Counts) -> NanoDollars {
        cost(prices, usage, *pieces)
    }

    fn sum((a, m): &Counts, (b, n): &Counts) -> Counts {
        let usage = Usage {
            input: a.input + b.input,
            cache_read: a.cache_read + b.cache_read,
            cache_write: a.cache_write + b.cache_write,
            cache_write_1h: a.cache_write_1h + b.cache_write_1h,
            output: a.output + b.output,
            reasoning: a.reasoning + b.reasoning,
            audio_in: a.audio_in + b.audio_in,
            audio_out: a.audio_out + b.audio_out,
            image_in: a.image_in + b.image_in,
            image_out: a.image_out + b.image_out,
        };
        let pieces = Pieces { images: m.images + n.images, requests: m.requests + n.requests };
        (usage, pieces)
    }

    proptest! {
        #[test]
        fn more_use_never_costs_less(prices in any_prices(), a in any_counts(), b in any_counts()) {
            prop_assert!(cost_of(&prices, &sum(&a, &b)) >= cost_of(&prices, &a));
        }

        /// Rounding once: together is never dearer than apart, and at most a nano-dollar cheaper.
        #[test]
        fn the_whole_is_the_sum_of_its_parts(
            prices in any_prices(), a in any_counts(), b in any_counts(),
        ) {
            let apart = cost_of(&prices, &a) + cost_of(&prices, &b);
            let together = cost_of(&prices, &sum(&a, &b));
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
            let used = Usage {
                input: Tokens(input - cache_write),
                cache_write: Tokens(cache_write),
                output: Tokens(answer - reasoning),
                reasoning: Tokens(reasoning),
                ..Usage::default()
            };
            let spent = cost(&prices, &used, Pieces { images, requests: 1 });
            let allowed = allowed.map(Tokens);
            let bound = worst_case(&model, Tokens(input), images, allowed).unwrap();
            prop_assert!(spent <= bound, "{spent} > {bound}");
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

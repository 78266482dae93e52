//! Attempts to talk a model out of its rules, by what they say.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

/// Each of these is enough by itself. `~` stands for a few blanks.
const SIGNS: &[&str] = &[
    // Rules are called off.
    r"\b(?:ignore|disregard|forget|override|bypass|discard|drop)~(?:all~|any~|every~|everything~in~)?(?:of~)?(?:the~|your~|my~|these~|those~|its~|our~)?(?:previous|prior|above|earlier|preceding|system|initial|original|former|safety|existing|old)~(?:\w{1,20}~)?(?:instructions?|prompts?|rules?|guidelines?|directives?|messages?|programming|training|restrictions?|constraints|policies|policy)\b",
    r"\b(?:ignore|disregard|forget|override|bypass)~(?:all~)?(?:of~)?your~(?:\w{1,20}~)?(?:instructions|rules|guidelines|restrictions|programming|filters?|safeguards|training|policies)\b",
    r"\b(?:ignore|forget|disregard)~(?:everything|all|anything)~(?:you~were~told|that~came~before|you~have~been~told|said~(?:above|before|so~far))\b",
    r"\bignoriere?~(?:alle~|bitte~alle~)?(?:deine~|vorherigen~|bisherigen~|obigen~|früheren~|vorangegangenen~){1,2}(?:\w{1,20}~)?(?:anweisungen|regeln|instruktionen|vorgaben|richtlinien)\b",
    r"\bvergiss~(?:alle~)?(?:deine~|bisherigen~|vorherigen~){1,2}(?:anweisungen|regeln|vorgaben)\b",
    r"\b(?:ignore[zr]?|oublie[zr]?)~(?:toutes~)?(?:les~|tes~|vos~)(?:instructions|consignes|règles)(?:~précédentes|~antérieures|~ci-dessus|~d'origine)?\b",
    r"\b(?:ignora|olvida)~(?:todas~)?(?:las~|tus~)?(?:instrucciones|reglas|directrices)(?:~anteriores|~previas)\b",
    r"\b(?:ignora|dimentica)~(?:tutte~)?(?:le~|tue~)*(?:istruzioni|regole)(?:~precedenti)\b",
    // Another is played, who has no rules.
    r"\bdo~anything~now\b",
    r"\b(?:act|behave|respond|answer|roleplay|role-play|pretend)~(?:as|like|to~be)~(?:dan\b|an?~(?:\w{1,20}~)?(?:unrestricted|unfiltered|uncensored|amoral|jailbroken|unaligned)\b)",
    r"\byou~are~(?:now~)?(?:dan\b|an?~(?:\w{1,20}~)?(?:unrestricted|unfiltered|uncensored|amoral|jailbroken|unaligned)\b)",
    r"\b(?:pretend|imagine|act~as~if|assume|suppose)~(?:that~)?you~(?:have|had|are~under|follow)~no~(?:\w{1,20}~)?(?:restrictions?|rules?|guidelines?|filters?|limits?|limitations?|policies|ethics|morals)\b",
    r"\byou~(?:have~no|are~free~(?:of|from)(?:~all|~any)?|no~longer~have(?:~any)?|are~not~bound~by(?:~any)?)~(?:\w{1,20}~)?(?:restrictions|guidelines|content~policy|content~policies|safety~rules|ethical~(?:rules|limits|constraints))\b",
    r"\b(?:without|free~of|disable|remove|turn~off)~(?:any~|all~|your~|the~)*(?:ethical|moral|safety|content|openai'?s?|anthropic'?s?)~(?:guidelines?|restrictions?|constraints?|filters?|limits?|limitations?|policies|policy|rules|considerations)\b",
    r"\b(?:developer|debug|god|admin|sudo|maintenance|jailbreak|unrestricted)~mode~(?:is~)?(?:now~)?(?:enabled|activated|on|unlocked|engaged)\b",
    r"\b(?:enable|enter|activate|switch~to|simulate)~(?:\w{1,20}~)?(?:developer|god|dan|jailbreak|unrestricted|evil)~mode\b",
    r"\bnever~(?:refuse|say~no|decline|break~character)\b.{0,120}\b(?:unethical|illegal|immoral|dangerous|forbidden|harmful)\b",
    r"\b(?:stay|remain|staying)~in~character\b.{0,200}\b(?:no~rules|no~restrictions|illegal|immoral|unfiltered)\b",
    // The system prompt is asked for.
    r"\b(?:reveal|print|show|repeat|output|display|leak|dump|tell|give|recite)~(?:me~)?(?:verbatim~)?(?:all~of~)?(?:your|the)~(?:full~|entire~|exact~|complete~|hidden~|secret~|initial~|original~)*(?:system~(?:prompt|message|instructions?)|hidden~(?:prompt|instructions?)|initial~(?:prompt|instructions?)|developer~(?:message|instructions?))\b",
    r"\b(?:repeat|print|output)~(?:everything|all~(?:the~)?text|the~(?:text|words))~(?:above|before~this)\b",
    // A turn is forged.
    r"<\|im_start\|>~?system|<\|start_header_id\|>~?system|<<sys>>|\[/?system\]\(#|^\s{0,4}#{2,4}~?system~?(?:prompt|override)\b",
    r"\b(?:new|updated)~system~(?:instructions?|prompt|message|override)~?:",
    r"\bsystem~override\b",
    // What to do is hidden in another writing.
    r"\b(?:decode|decrypt|unscramble|translate)\b.{0,60}\b(?:base64|rot13|hex|morse|caesar|cipher)\b.{0,80}\b(?:follow|execute|obey|carry~out|do~what|comply|run)\b",
    r"\b(?:follow|execute|obey|comply~with)\b.{0,60}\b(?:base64|rot13|hex-?encoded|encoded)\b.{0,40}\b(?:instructions?|commands?|message|text|payload)\b",
];

static ANY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let all: Vec<String> = SIGNS.iter().map(|sign| format!("(?:{sign})")).collect();
    // The tests find something by each of the signs, so they make a pattern.
    RegexBuilder::new(&super::plain(&all.join("|")))
        .case_insensitive(true)
        .multi_line(true)
        .size_limit(1 << 24)
        .build()
        .ok()
});

/// Whether a text tries it.
pub(super) fn attempted(text: &str) -> bool {
    // Letters that only look like letters, and signs that cannot be seen, are a way around.
    let plain: String = text
        .chars()
        .filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}'))
        .map(|c| if c == '’' { '\'' } else { c })
        .collect();
    ANY.as_ref().is_some_and(|pattern| pattern.is_match(&plain))
}

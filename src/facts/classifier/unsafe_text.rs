//! Threats, incitement, and directions for grave harm, by what they say. Words alone are not enough:
//! who writes of a bomb in a novel, a film or the news does not give directions.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

/// Each of these is enough by itself. `~` stands for a few blanks.
const SIGNS: &[&str] = &[
    // Threats, and being driven to it.
    r"\b(?:i|we)(?:'ll|~will|~am~going~to|'m~gonna)~(?:kill|murder|rape|stab|shoot|behead)~(?:you|him|her|them|your~family)\b",
    r"\b(?:go|you~should|just|please)~(?:and~)?kill~yourself\b|\bkys\b",
    r"\byou~(?:deserve|need)~to~(?:die|be~(?:killed|raped|shot))\b",
    // A people, to be wiped out.
    r"\b(?:exterminate|eradicate|wipe~out|gas|lynch|kill)~(?:all~(?:of~)?(?:the~)?)(?:jews|muslims|christians|blacks|whites|immigrants|gays|women|arabs|asians|refugees|foreigners)\b",
    r"\b(?:jews|muslims|blacks|immigrants|gays|arabs|refugees)~(?:are|is)~(?:subhuman|vermin|parasites|animals|a~plague)\b",
    // Directions.
    r"\b(?:how~to|steps?~(?:to|for)|instructions?~(?:to|for|on)|guide~to|recipe~for|here(?:'s|~is)~how~(?:to|you))~(?:\w{1,20}~){0,3}?(?:make|making|build|building|assemble|construct|synthesi[sz]e|synthesi[sz]ing|cook|produce|detonate)?~?(?:\w{1,20}~){0,4}?(?:pipe~bomb|nail~bomb|car~bomb|dirty~bomb|molotov~cocktail|suicide~vest|nerve~(?:agent|gas)|sarin|ricin|mustard~gas|methamphetamine|crystal~meth|anthrax~spores|ghost~gun|child~porn\w*)\b",
    r"\b(?:mix|combine|pack|fill|attach)\b.{0,80}\b(?:detonator|blasting~cap|shrapnel|tannerite|black~powder|fuse)\b.{0,120}\b(?:pipe|bomb|explosive|device)\b",
    r"\b(?:how~to|best~way~to|easiest~way~to|ways~to)~(?:\w{1,20}~)?(?:kill|hurt|harm|hang|cut)~(?:myself|yourself|oneself)\b",
    r"\b(?:how~to|best~way~to|ways~to)~(?:get~away~with~(?:murder|rape)|poison~(?:my|your|a|someone)\b|groom~(?:a~)?(?:child|children|minors?|kids?)\b|make~(?:a~)?bomb\b|build~(?:a~)?bomb\b)",
    r"\bsexual(?:ly|i[sz]ed?)?\b.{0,40}\b(?:child|children|minors?|toddlers?|underage)\b.{0,40}\b(?:story|content|scene|images?|fantasy)\b",
];

static ANY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let all: Vec<String> = SIGNS.iter().map(|sign| format!("(?:{sign})")).collect();
    // The tests find something by these, so they make a pattern.
    RegexBuilder::new(&super::plain(&all.join("|")))
        .case_insensitive(true)
        .size_limit(1 << 24)
        .build()
        .ok()
});

/// Whether a text does.
pub(super) fn found(text: &str) -> bool {
    ANY.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

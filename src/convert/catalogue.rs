//! Finding a model of the catalogue behind a name as other gateways write it.

use std::cmp::Reverse;

use crate::catalog::{Catalog, Model};

/// The model with this name at this provider: by its name there, or by what the provider calls it.
pub fn exact<'c>(catalog: &'c Catalog, provider: &str, name: &str) -> Option<&'c Model> {
    let of_provider = || catalog.models().iter().filter(|m| m.provider.as_str() == provider);
    of_provider()
        .find(|model| model.id.model() == name)
        .or_else(|| of_provider().find(|model| &*model.upstream_name == name))
}

/// The model that is most likely the same: another version of it at this provider, or the same model
/// elsewhere, where it has the most room.
pub fn nearest<'c>(catalog: &'c Catalog, provider: &str, name: &str) -> Option<&'c Model> {
    let wanted = essence(name);
    if wanted.is_empty() {
        return None;
    }
    let same = |model: &&Model| essence(model.id.model()) == wanted;
    let elsewhere =
        || catalog.models().iter().filter(same).min_by_key(|model| Reverse(model.context));
    nearest_at(catalog, provider, name).or_else(elsewhere)
}

/// The model that is most likely the same at this provider.
pub fn nearest_at<'c>(catalog: &'c Catalog, provider: &str, name: &str) -> Option<&'c Model> {
    let wanted = essence(name);
    let of_provider = catalog.models().iter().filter(|m| m.provider.as_str() == provider);
    // Longer names are dated, or of a region.
    of_provider
        .filter(|model| !wanted.is_empty() && essence(model.id.model()) == wanted)
        .min_by_key(|model| model.id.as_str().len())
}

/// A name without the region, the vendor, the date and the variant: what is left tells which model it
/// is, whoever serves it.
pub fn essence(name: &str) -> String {
    let name = name.to_lowercase();
    let name = name.rsplit('/').next().unwrap_or_default();
    let name = name.split(['@', ':']).next().unwrap_or_default();
    let regions = ["us.", "eu.", "apac.", "global.", "jp.", "au."];
    let name = regions.iter().find_map(|region| name.strip_prefix(region)).unwrap_or(name);
    let vendors = ["anthropic.", "amazon.", "meta.", "mistral.", "cohere.", "openai.", "qwen."];
    let name = vendors.iter().find_map(|vendor| name.strip_prefix(vendor)).unwrap_or(name);
    let name = name.replace('.', "-");
    let mut words: Vec<&str> = name.split('-').collect();
    loop {
        let digits = |word: &str, count: usize| {
            word.len() == count && word.bytes().all(|b| b.is_ascii_digit())
        };
        let version = |word: &str| {
            word.strip_prefix('v').is_some_and(|it| it.bytes().all(|b| b.is_ascii_digit()))
        };
        match words.as_slice() {
            [_, .., "latest"] => words.truncate(words.len() - 1),
            [_, .., date] if digits(date, 8) => words.truncate(words.len() - 1),
            [_, .., last] if version(last) => words.truncate(words.len() - 1),
            [_, .., year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2) => {
                words.truncate(words.len() - 3);
            }
            _ => break,
        }
    }
    words.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_model_have_one_essence() {
        for name in [
            "claude-sonnet-4.5",
            "claude-sonnet-4-5-20250929",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "anthropic/claude-sonnet-4.5:beta",
            "claude-sonnet-4-5@20250929",
            "claude-sonnet-4-5-latest",
        ] {
            assert_eq!(essence(name), "claude-sonnet-4-5", "{name}");
        }
        assert_eq!(essence("gpt-4o-2024-08-06"), "gpt-4o");
        assert_ne!(essence("gpt-4o-mini"), essence("gpt-4o"));
    }

    #[test]
    fn the_provider_itself_comes_first() {
        let catalog = Catalog::embedded();
        let id = |provider, name| nearest(&catalog, provider, name).map(|m| m.id.to_string());
        assert_eq!(exact(&catalog, "openai", "gpt-4o").unwrap().id.as_str(), "openai/gpt-4o");
        assert_eq!(id("azure", "gpt-4o-2024-05-13").as_deref(), Some("azure/gpt-4o"));
        assert_eq!(id("anthropic", "claude-3-5-sonnet-20241022"), None);
        assert_eq!(id("nobody", "gpt-4o").as_deref(), Some("openai/gpt-4o"));
    }
}

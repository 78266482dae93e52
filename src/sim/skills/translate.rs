//! Translation by a small dictionary: phrases first, then words; what it does not know it keeps.

use super::{Question, Solution};

/// English, French, German, Spanish. Phrases stand before the words they are made of.
const DICTIONARY: &[(&str, [&str; 3])] = &[
    ("good morning", ["bonjour", "guten Morgen", "buenos días"]),
    ("good evening", ["bonsoir", "guten Abend", "buenas tardes"]),
    ("good night", ["bonne nuit", "gute Nacht", "buenas noches"]),
    ("thank you", ["merci", "danke", "gracias"]),
    ("how are you", ["comment allez-vous", "wie geht es dir", "cómo estás"]),
    ("where is", ["où est", "wo ist", "dónde está"]),
    ("i love you", ["je t'aime", "ich liebe dich", "te quiero"]),
    ("see you tomorrow", ["à demain", "bis morgen", "hasta mañana"]),
    ("please", ["s'il vous plaît", "bitte", "por favor"]),
    ("hello", ["bonjour", "hallo", "hola"]),
    ("goodbye", ["au revoir", "auf Wiedersehen", "adiós"]),
    ("yes", ["oui", "ja", "sí"]),
    ("no", ["non", "nein", "no"]),
    ("the", ["le", "die", "el"]),
    ("a", ["un", "ein", "un"]),
    ("and", ["et", "und", "y"]),
    ("or", ["ou", "oder", "o"]),
    ("is", ["est", "ist", "es"]),
    ("are", ["sont", "sind", "son"]),
    ("i", ["je", "ich", "yo"]),
    ("you", ["vous", "du", "tú"]),
    ("we", ["nous", "wir", "nosotros"]),
    ("my", ["mon", "mein", "mi"]),
    ("your", ["votre", "dein", "tu"]),
    ("in", ["dans", "in", "en"]),
    ("on", ["sur", "auf", "en"]),
    ("with", ["avec", "mit", "con"]),
    ("to", ["à", "zu", "a"]),
    ("of", ["de", "von", "de"]),
    ("for", ["pour", "für", "para"]),
    ("not", ["pas", "nicht", "no"]),
    ("very", ["très", "sehr", "muy"]),
    ("good", ["bon", "gut", "bueno"]),
    ("bad", ["mauvais", "schlecht", "malo"]),
    ("big", ["grand", "groß", "grande"]),
    ("small", ["petit", "klein", "pequeño"]),
    ("red", ["rouge", "rot", "rojo"]),
    ("cat", ["chat", "Katze", "gato"]),
    ("dog", ["chien", "Hund", "perro"]),
    ("house", ["maison", "Haus", "casa"]),
    ("water", ["eau", "Wasser", "agua"]),
    ("bread", ["pain", "Brot", "pan"]),
    ("book", ["livre", "Buch", "libro"]),
    ("friend", ["ami", "Freund", "amigo"]),
    ("world", ["monde", "Welt", "mundo"]),
    ("train", ["train", "Zug", "tren"]),
    ("station", ["gare", "Bahnhof", "estación"]),
    ("today", ["aujourd'hui", "heute", "hoy"]),
    ("tomorrow", ["demain", "morgen", "mañana"]),
    ("time", ["temps", "Zeit", "tiempo"]),
    ("day", ["jour", "Tag", "día"]),
    ("love", ["aime", "liebe", "amo"]),
    ("want", ["veux", "will", "quiero"]),
    ("have", ["ai", "habe", "tengo"]),
    ("eat", ["mange", "esse", "como"]),
    ("speak", ["parle", "spreche", "hablo"]),
];

/// `Translate to French: …`.
pub(super) fn translate(question: &mut Question<'_>) -> Option<Solution> {
    if !question.says(&["translate", "translation", "how do you say"]) {
        return None;
    }
    let languages = [("french", 0), ("german", 1), ("spanish", 2)];
    let (_, language) = languages.into_iter().find(|(name, _)| question.lower.contains(name))?;
    let english = question.payload()?;
    let right = put_into(english, language);
    let other = put_into(english, (language + 1) % 3);
    let wrong = if other == right { format!("{english} (I am not sure)") } else { other };
    Some(Solution { right, wrong })
}

fn put_into(english: &str, language: usize) -> String {
    let mut text = String::new();
    let mut rest = english;
    while let Some(c) = rest.chars().next() {
        if !c.is_alphabetic() {
            text.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let known = DICTIONARY.iter().find(|(phrase, _)| {
            let end = rest.get(phrase.len()..).and_then(|behind| behind.chars().next());
            rest.get(..phrase.len()).is_some_and(|start| start.eq_ignore_ascii_case(phrase))
                && end.is_none_or(|c| !c.is_alphanumeric())
        });
        let length = match known {
            Some((phrase, _)) => phrase.len(),
            None => rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len()),
        };
        let (word, behind) = rest.split_at(length);
        let put = known.map_or(word, |(_, forms)| forms[language]);
        match word.starts_with(char::is_uppercase) && text.is_empty() {
            true => {
                let mut chars = put.chars();
                text.extend(chars.next().into_iter().flat_map(char::to_uppercase));
                text.push_str(chars.as_str());
            }
            false => text.push_str(put),
        }
        rest = behind;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::right;

    #[test]
    fn phrases_words_and_unknown_names() {
        assert_eq!(right("Translate to French: Good morning, my friend!"), "Bonjour, mon ami!");
        assert_eq!(right("Translate into German: Where is the station?"), "Wo ist die Bahnhof?");
        assert_eq!(right("Translate \"Thank you, Zoë\" to Spanish"), "Gracias, Zoë");
    }
}

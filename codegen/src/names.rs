//! From the names of the document to the names of Rust.

/// Runs of capitals that are words of their own where they stand side by side.
const ACRONYMS: &[&str] =
    &["BYOK", "SCIM", "JSON", "STT", "TTS", "PDF", "URL", "API", "MCP", "ZDR", "RSS", "AI", "AA", "DA", "OR", "ID"];

const KEYWORDS: &[&str] = &[
    "as", "async", "await", "box", "break", "const", "continue", "crate", "do", "dyn", "else", "enum", "extern",
    "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut",
    "override", "priv", "pub", "ref", "return", "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe",
    "use", "virtual", "where", "while", "yield", "abstract", "become", "unsized",
];

/// Words of which the plural is the name, or whose singular is not made by a rule.
const SINGULARS: &[(&str, &str)] = &[
    ("indices", "index"),
    ("series", "series"),
    ("status", "status"),
    ("choices", "choice"),
    ("caches", "cache"),
    ("data", "data"),
    ("sizes", "size"),
    ("analysis", "analysis"),
    ("sources", "source"),
    ("responses", "response"),
    ("images", "image"),
    ("messages", "message"),
    ("modalities", "modality"),
    ("categories", "category"),
    ("always", "always"),
    ("is", "is"),
    ("has", "has"),
    ("access", "access"),
    ("address", "address"),
];

/// The lower-case words of a name: split at separators, at the change of case, and between acronyms.
pub fn words(name: &str) -> Vec<String> {
    let name = name.replace("OAuth", "Oauth").replace("OpenRouter", "Openrouter");
    let mut words = Vec::new();
    for part in name.split(|c: char| !c.is_alphanumeric()) {
        let characters: Vec<char> = part.chars().collect();
        let mut start = 0;
        let mut at = 0;
        while at < characters.len() {
            let run = characters[at..].iter().take_while(|c| c.is_uppercase()).count();
            if run >= 2 {
                if at > start {
                    words.push(characters[start..at].iter().collect::<String>().to_lowercase());
                }
                // The last capital of the run begins the next word when lower case follows.
                let followed = characters.get(at + run).is_some_and(|c| c.is_lowercase());
                let mut rest: String = characters[at..at + run - usize::from(followed)].iter().collect();
                while let Some(acronym) = ACRONYMS.iter().find(|acronym| rest.starts_with(**acronym)) {
                    if rest.len() == acronym.len() {
                        break;
                    }
                    words.push(acronym.to_lowercase());
                    rest = rest.split_off(acronym.len());
                }
                at += run - usize::from(followed);
                // Digits and a plural `s` stay with the acronym.
                while characters.get(at).is_some_and(char::is_ascii_digit) {
                    rest.extend(characters.get(at));
                    at += 1;
                }
                words.push(rest.to_lowercase());
                start = at;
                if followed {
                    at += 1;
                }
            } else if run == 1 && at > start {
                words.push(characters[start..at].iter().collect::<String>().to_lowercase());
                start = at;
                at += 1;
            } else {
                at += 1;
            }
        }
        if start < characters.len() {
            words.push(characters[start..].iter().collect::<String>().to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `ChatRequest` for `chat_request`.
pub fn pascal(words: &[String]) -> String {
    let mut name = String::new();
    for word in words {
        let mut characters = word.chars();
        let Some(first) = characters.next() else { continue };
        // `16:9` must not become `169`.
        if first.is_ascii_digit() && name.ends_with(|c: char| c.is_ascii_digit()) {
            name.push('_');
        }
        name.extend(first.to_uppercase());
        name.push_str(characters.as_str());
    }
    name
}

/// `chat_request` for `ChatRequest`.
pub fn snake(words: &[String]) -> String {
    words.join("_")
}

/// A name for a field, an argument or a function: snake case, never a keyword.
pub fn identifier(name: &str) -> String {
    let mut name = snake(&words(name));
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() {
        name.insert(0, 'n');
    }
    match name.as_str() {
        "self" | "super" | "crate" => name + "_value",
        keyword if KEYWORDS.contains(&keyword) => format!("r#{name}"),
        _ => name,
    }
}

/// A name for a variant: Pascal case, `V` before a digit, `Minus` for a leading minus sign.
pub fn variant(value: &str) -> String {
    let words = words(value);
    let mut name = pascal(&words);
    if value.starts_with('-') && value.len() > 1 {
        name.insert_str(0, "Minus");
    }
    if name.is_empty() {
        return if value.is_empty() { "Empty".to_owned() } else { "Symbol".to_owned() };
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, 'V');
    }
    if name == "Self" { "SelfValue".to_owned() } else { name }
}

/// The name of one element of what `word` names.
fn singular(word: &str) -> String {
    if let Some((_, singular)) = SINGULARS.iter().find(|(plural, _)| *plural == word) {
        return (*singular).to_owned();
    }
    if let Some(stem) = word.strip_suffix("ies") {
        return format!("{stem}y");
    }
    for ending in ["sses", "xes", "ches", "shes"] {
        if word.ends_with(ending) {
            return word[..word.len() - 2].to_owned();
        }
    }
    match word.strip_suffix('s') {
        Some(stem) if !stem.ends_with('s') && !stem.ends_with('u') && stem.len() > 1 => stem.to_owned(),
        _ => word.to_owned(),
    }
}

/// The words for an element of a list or map that `owner` names: its last word in the singular, or `item` more.
pub fn element(owner: &[String], otherwise: &str) -> Vec<String> {
    let mut words = owner.to_vec();
    let Some(last) = words.pop() else { return vec![otherwise.to_owned()] };
    let one = singular(&last);
    let unchanged = one == last && last != "data";
    words.push(one);
    if unchanged {
        words.push(otherwise.to_owned());
    }
    words
}

/// The words of a type under property `property` of `owner`; words that the end of the one and the start of the other
/// share stand once, if something of the property remains.
pub fn join(owner: &[String], property: &[String]) -> Vec<String> {
    let most = owner.len().min(property.len().saturating_sub(1));
    let shared = (1..=most).rev().find(|n| owner[owner.len() - n..] == property[..*n]).unwrap_or(0);
    owner.iter().chain(&property[shared..]).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_separators_case_and_acronyms() {
        for (name, expected) in [
            ("BYOKKey", "byok key"),
            ("OpenAIFile", "open ai file"),
            ("Preview_20250311_WebSearchServerTool", "preview 20250311 web search server tool"),
            ("STTURLInputAudio", "stt url input audio"),
            ("OAuthToken", "oauth token"),
            ("UnifiedBenchmarksORItem", "unified benchmarks or item"),
            ("exchangeAuthCodeForAPIKey", "exchange auth code for api key"),
            ("response.output_text.delta", "response output text delta"),
            ("createSHA256CodeChallenge", "create sha256 code challenge"),
            ("timestamp_granularities[]", "timestamp granularities"),
            ("jobId", "job id"),
            ("AnthropicBase64ImageSource", "anthropic base64 image source"),
        ] {
            assert_eq!(words(name).join(" "), expected, "{name}");
        }
    }

    #[test]
    fn keywords_and_digits_make_valid_identifiers() {
        assert_eq!(identifier("type"), "r#type");
        assert_eq!(identifier("01ai"), "n01ai");
        assert_eq!(identifier("self"), "self_value");
        assert_eq!(variant("16:9"), "V16_9");
        assert_eq!(variant("-1"), "Minus1");
    }

    #[test]
    fn a_type_under_a_property_has_the_words_of_both_with_a_shared_joint_once() {
        let name = |owner, property| pascal(&join(&words(owner), &words(property)));
        assert_eq!(name("ContentPartAudio", "audio_url"), "ContentPartAudioUrl");
        assert_eq!(name("ChatContentFile", "file"), "ChatContentFileFile");
        assert_eq!(name("ChatRequest", "reasoning_effort"), "ChatRequestReasoningEffort");
    }

    #[test]
    fn an_element_has_the_singular_of_its_list() {
        let name = |words: &str| pascal(&element(&super::words(words), "item"));
        assert_eq!(name("chat_request_plugins"), "ChatRequestPlugin");
        assert_eq!(name("response_data"), "ResponseData");
        assert_eq!(name("tool_content"), "ToolContentItem");
        assert_eq!(name("modalities"), "Modality");
    }
}

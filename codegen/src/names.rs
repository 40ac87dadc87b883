//! From the names of the document to the names of Rust.

/// Runs of capitals that are separate words if they are adjacent.
const ACRONYMS: &[&str] =
    &["BYOK", "SCIM", "JSON", "STT", "TTS", "PDF", "URL", "API", "MCP", "ZDR", "RSS", "AI", "AA", "DA", "OR", "ID"];

/// Brands that are one word in the names of the document and have capitals inside, as the document or their owners
/// write them elsewhere.
#[rustfmt::skip]
const BRANDS: &[&str] = &[
    "AkashMl", "AssemblyAi", "BaseTen", "BytePlus", "ClickHouse", "CoreWeave", "DeepInfra", "DeepSeek", "DekaLlm",
    "DigitalOcean", "ElevenLabs", "GitHub", "GmiCloud", "HeyGen", "LangSmith", "ModelRun", "MoonshotAi", "NewRelic",
    "NextBit", "OAuth", "OpenAi", "OpenRouter", "PostHog", "PrimeIntellect", "SambaNova", "ScaleDown", "SiliconFlow",
    "StepFun", "StreamLake", "ThinkingMachines", "TypeSafe", "VoyageAi", "WandB", "XAi",
];

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
        split_at_case(part, &mut words);
    }
    words.into_iter().map(|word| word.to_lowercase()).filter(|word| !word.is_empty()).collect()
}

/// The words of a part without separators.
fn split_at_case(part: &str, words: &mut Vec<String>) {
    let mut word = String::new();
    // The capitals since the last letter that is none.
    let mut capitals = String::new();
    let mut after_acronym = false;
    for character in part.chars() {
        if character.is_uppercase() {
            words.push(std::mem::take(&mut word));
            capitals.push(character);
            after_acronym = false;
            continue;
        }
        if after_acronym && !character.is_numeric() {
            words.push(std::mem::take(&mut word));
            after_acronym = false;
        }
        if capitals.chars().nth(1).is_none() {
            word.push_str(&capitals);
        } else if character.is_numeric() {
            // Digits stay with the acronym before them.
            words.append(&mut acronyms(&capitals));
            word = words.pop().unwrap_or_default();
            after_acronym = true;
        } else {
            // The last capital of a run begins the next word when lower case follows.
            let last = capitals.pop();
            words.append(&mut acronyms(&capitals));
            word.extend(last);
        }
        capitals.clear();
        word.push(character);
    }
    words.push(word);
    words.append(&mut acronyms(&capitals));
}

/// The acronyms in a run of capitals.
fn acronyms(mut run: &str) -> Vec<String> {
    let mut found = Vec::new();
    while let Some((acronym, rest)) = ACRONYMS.iter().find_map(|own| Some((*own, run.strip_prefix(*own)?)))
        && !rest.is_empty()
    {
        found.push(acronym.to_owned());
        run = rest;
    }
    found.push(run.to_owned());
    found
}

/// `ChatRequest` for `chat_request`, `OpenRouterFile` for `openrouter_file`.
pub fn pascal(words: &[String]) -> String {
    let mut name = String::new();
    for word in words {
        if let Some(brand) = BRANDS.iter().find(|brand| brand.eq_ignore_ascii_case(word)) {
            name.push_str(brand);
            continue;
        }
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
    let mut own = snake(&words(name));
    if own.is_empty() {
        own = snake(&words(&spelled(name)));
    }
    if own.starts_with(|c: char| c.is_ascii_digit()) {
        own.insert(0, 'n');
    }
    match own.as_str() {
        "" => "empty".to_owned(),
        "self" | "super" | "crate" => own + "_value",
        keyword if KEYWORDS.contains(&keyword) => format!("r#{own}"),
        _ => own,
    }
}

/// A name for a variant: Pascal case, `V` before a digit, `Minus` for a leading minus sign.
pub fn variant(value: &str) -> String {
    let mut name = pascal(&words(value));
    if name.is_empty() {
        name = pascal(&words(&spelled(value)));
    } else if value.starts_with('-') {
        name.insert_str(0, "Minus");
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, 'V');
    }
    match name.as_str() {
        "" => "Empty".to_owned(),
        "Self" => "SelfValue".to_owned(),
        "Unrecognized" => "UnrecognizedValue".to_owned(),
        _ => name,
    }
}

/// Names for texts that are used together. A text whose name another one has too is spelled out to the last sign, unless
/// it is written like its name.
pub fn apart(texts: &[&str], name: fn(&str) -> String) -> Vec<String> {
    let plain: Vec<String> = texts.iter().map(|text| name(text)).collect();
    let distinct = |(text, own): (&&str, &String)| {
        let alone = plain.iter().filter(|other| *other == own).count() == 1;
        if alone || **text == snake(&words(text)) { own.clone() } else { name(&spelled(text)) }
    };
    texts.iter().zip(&plain).map(distinct).collect()
}

/// A text with one word for each sign and for the case of its letters.
pub fn spelled(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        let sign = match character {
            '_' => "underscore",
            '-' => "dash",
            '.' => "dot",
            '/' => "slash",
            ':' => "colon",
            ' ' => "space",
            '+' => "plus",
            '*' => "star",
            '=' => "equals",
            '!' => "not",
            '<' => "less",
            '>' => "greater",
            '&' => "and",
            '|' => "or",
            '@' => "at",
            '#' => "hash",
            '$' => "dollar",
            '%' => "percent",
            '~' => "tilde",
            letter if letter.is_alphanumeric() => {
                out.push(letter);
                continue;
            }
            _ => "sign",
        };
        out.push_str(&format!(" {sign} "));
    }
    let letters = || text.chars().filter(|c| c.is_alphabetic());
    if letters().any(char::is_uppercase) {
        let capitalized =
            letters().next().is_some_and(char::is_uppercase) && !letters().skip(1).any(char::is_uppercase);
        out.push_str(match (letters().all(char::is_uppercase), capitalized) {
            (true, _) => " uppercase",
            (_, true) => " capitalized",
            _ => " mixed case",
        });
    }
    out
}

/// The name of one element of what `word` names.
fn singular(word: &str) -> String {
    if let Some((_, singular)) = SINGULARS.iter().find(|(plural, _)| *plural == word) {
        return (*singular).to_owned();
    }
    if let Some(stem) = word.strip_suffix("ies") {
        return format!("{stem}y");
    }
    if ["sses", "xes", "ches", "shes"].iter().any(|ending| word.ends_with(ending)) {
        return word.strip_suffix("es").unwrap_or(word).to_owned();
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
/// share are used once, if something of the property remains.
pub fn join(owner: &[String], property: &[String]) -> Vec<String> {
    let most = owner.len().min(property.len().saturating_sub(1));
    let shared = |n: &usize| property.get(..*n).is_some_and(|start| owner.ends_with(start));
    let shared = (1..=most).rev().find(shared).unwrap_or(0);
    owner.iter().chain(property.iter().skip(shared)).cloned().collect()
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
    fn brands_are_spelled_as_their_owners_write_them() {
        for (name, expected) in [
            ("OpenRouterFile", "OpenRouterFile"),
            ("openrouter:web_search", "OpenRouterWebSearch"),
            ("azure-openai-responses-v1", "AzureOpenAiResponsesV1"),
            ("OpenAIFile", "OpenAiFile"),
            ("OAuthJwks", "OAuthJwks"),
            ("VaultGithub", "VaultGitHub"),
            ("opener", "Opener"),
        ] {
            assert_eq!(variant(name), expected, "{name}");
        }
        assert_eq!(identifier("openrouter_metadata"), "openrouter_metadata");
    }

    #[test]
    fn texts_with_the_same_name_are_spelled_out() {
        assert_eq!(apart(&["gpt-4", "gpt_4", "o1"], variant), ["GptDash4", "Gpt4", "O1"]);
        assert_eq!(apart(&["USD", "usd", "Usd"], variant), ["UsdUppercase", "Usd", "UsdCapitalized"]);
        assert_eq!(apart(&["userId", "user_id"], identifier), ["user_id_mixed_case", "user_id"]);
        assert_eq!(apart(&["<", "<=", "", "!="], variant), ["Less", "LessEquals", "Empty", "NotEquals"]);
        assert_eq!(apart(&["unrecognized", "-1"], variant), ["UnrecognizedValue", "Minus1"]);
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

//! Which names mark secrets. Client and generator share this rule; the generator includes this
//! file.

/// Whether a field, a parameter or a header of this name may hold a secret.
///
/// Each word of the name is checked, so that `apiKey`, `x-api-key`, `API_KEY` and `apikey` are
/// equivalent. An ambiguous word, such as `monkey` (compare `writekey`), counts as a secret.
pub(crate) fn names_secret(name: &str) -> bool {
    let mut word = String::new();
    let mut after_small = false;
    for letter in name.chars() {
        if !letter.is_alphanumeric() || letter.is_uppercase() && after_small {
            if is_secret(&word) {
                return true;
            }
            word.clear();
        }
        if letter.is_alphanumeric() {
            word.extend(letter.to_lowercase());
        }
        after_small = !letter.is_uppercase();
    }
    is_secret(&word)
}

/// Returns whether a single lowercase word marks a secret.
fn is_secret(word: &str) -> bool {
    const INSIDE: [&str; 9] =
        ["secret", "token", "passw", "passphrase", "credential", "cookie", "bearer", "authoriz", "apikey"];
    const AT_THE_END: [&str; 4] = ["key", "keys", "header", "headers"];
    const WHOLE: [&str; 6] = ["auth", "challenge", "dsn", "jwt", "pwd", "verifier"];
    INSIDE.iter().any(|part| word.contains(part))
        || AT_THE_END.iter().any(|end| word.ends_with(end))
        || WHOLE.contains(&word)
}

//! Every text of an error is on the page `docs/error-texts.md`, and follows its rules.
//!
//! Texts are found in the source: each string literal of the library with at least two words, outside of attributes and
//! tests. So a new text cannot be missed, and one that is not part of an error is named in [`NOT_ERRORS`].

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Folders and files without texts of errors: generated code, and the mock server, whose texts only tests see.
const SKIPPED: [&str; 8] =
    ["models", "funcs", "sdk", "mock", "documents.rs", "guide.rs", "errors/kind.rs", "core/wire/tests.rs"];

/// Texts that are not part of an error, by the file and the beginning of the text, with the reason.
const NOT_ERRORS: &[(&str, &str, &str)] = &[
    ("agent/mcp/http.rs", "Bearer {}", "a header"),
    ("core/event_stream.rs", "data: {}", "an event"),
    ("core/transport/connect.rs", "CONNECT", "a request"),
    ("core/transport/proxy.rs", "Basic {}", "a header"),
];

/// What creates an error, in the code before or around a text, and the name of the error.
const CONSTRUCTORS: [(&str, &str); 17] = [
    ("InvalidRequestError::new", "InvalidRequestError"),
    ("Error::invalid", "InvalidRequestError"),
    ("UnexpectedError::", "UnexpectedError"),
    ("HookError::new", "HookError"),
    ("TransportBuildError::new", "TransportBuildError"),
    ("TransportError::", "TransportError"),
    ("ConnectError::new", "TransportError"),
    ("DecodeError::new", "DecodeError"),
    (".expected(", "DecodeError"),
    (".malformed(", "DecodeError"),
    ("writer.fail(", "EncodeError"),
    (".fail(", "InvalidRequestError"),
    ("StoreError::", "StoreError"),
    ("McpError::", "McpError"),
    ("ToolError::", "ToolError"),
    ("AgentError::", "AgentError"),
    ("io::Error::", "io::Error"),
];

/// Texts of agents that the model reads instead of the program are sentences.
const FOR_MODELS: &str = "for the model";

/// A text, and where it is from.
struct Found {
    file: String,
    function: String,
    kind: String,
    text: String,
}

#[test]
fn every_error_text_is_on_its_page_and_follows_the_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for path in files(&root.join("src")) {
        let file = path.strip_prefix(root.join("src")).unwrap().to_str().unwrap().replace('\\', "/");
        if !SKIPPED.iter().any(|skipped| file == *skipped || file.starts_with(&format!("{skipped}/"))) {
            found.extend(texts_of(&file, &std::fs::read_to_string(&path).unwrap()));
        }
    }
    let unused: Vec<_> = NOT_ERRORS
        .iter()
        .filter(|(file, start, _)| !found.iter().any(|it| it.file == *file && it.text.starts_with(start)))
        .collect();
    assert!(unused.is_empty(), "these are no longer in the source: {unused:?}");
    found.retain(|it| !NOT_ERRORS.iter().any(|(file, start, _)| it.file == *file && it.text.starts_with(start)));

    let wrong: Vec<_> = found
        .iter()
        .filter(|it| it.kind != FOR_MODELS)
        .filter_map(|it| Some(format!("{}: {:?} {}", it.file, it.text, fault(&it.text)?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let page = page(&found);
    println!("{page}");
    let path = root.join("docs/error-texts.md");
    if std::env::var_os("UPDATE_ERROR_TEXTS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    let changed: Vec<_> = page.lines().filter(|line| !known.lines().any(|other| other == *line)).collect();
    assert!(known == page, "run this test with UPDATE_ERROR_TEXTS=1; new or changed:\n{}", changed.join("\n"));
}

/// What is wrong with the form of a text.
fn fault(text: &str) -> Option<&'static str> {
    let words: Vec<_> = text.split(' ').filter(|word| word.starts_with(char::is_alphabetic)).collect();
    // Names such as TLS, HTTP/2 and AWS-LC keep their case, and so do the names of statuses.
    let is_capitalized = |word: &str| {
        let mut letters = word.chars();
        letters.next().is_some_and(char::is_uppercase) && letters.clone().count() > 0 && letters.all(char::is_lowercase)
    };
    let is_title = words.iter().filter(|word| word.len() > 3).all(|word| word.starts_with(char::is_uppercase));
    if is_sentence(text) && !is_title || text.trim_end().ends_with('.') && !text.ends_with("..") {
        return Some("is a sentence; start in lowercase, and leave out the period at the end");
    }
    if text.split(". ").skip(1).any(|rest| rest.split(' ').next().is_some_and(is_capitalized)) {
        return Some("has several sentences; join them with a semicolon");
    }
    (text.contains('\n') || text.contains("  ")).then_some("has a line break or two spaces in a row")
}

/// Whether the first word of a text is capitalized although it is not a name.
fn is_sentence(text: &str) -> bool {
    let first = text.split([' ', ',', '\'']).next().unwrap_or_default();
    let rest = first.strip_prefix(char::is_uppercase);
    rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(char::is_lowercase)) && first != "Mozilla"
}

fn page(found: &[Found]) -> String {
    let mut page = String::from(
        "# Error texts\n\nEvery text of an error that the library creates, by the file it is in. A text is one line: what is \
         wrong, with which value, and\nwhat to do. It starts in lowercase and has no period at its end; a value in braces is \
         filled in. The text of an\n`InvalidRequestError` follows the name of the option or parameter, as in `` `timeout` is \
         zero, so no call could succeed ``. A\ntext that starts or ends in the middle of a sentence is joined with others. \
         The page is written by the test\n`every_error_text_is_on_its_page_and_follows_the_rules` with `UPDATE_ERROR_TEXTS=1`.\n",
    );
    let mut file = "";
    for it in found {
        if file != it.file {
            file = &it.file;
            let _ = write!(page, "\n## `src/{file}`\n\n| Kind | Function | Text |\n| --- | --- | --- |\n");
        }
        let text = it.text.replace('|', "\\|");
        let fence = if text.contains('`') { "``" } else { "`" };
        let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
        let _ = writeln!(page, "| `{}` | `{}` | {fence}{pad}{text}{pad}{fence} |", it.kind, it.function);
    }
    page
}

/// The files of a folder and its folders, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .into_iter()
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The kind of a text that other code puts into an error.
const PART: &str = "part of another";

/// An item of the source.
struct Scope {
    name: String,
    is_function: bool,
    depth: usize,
}

/// A part of source: code without comments, or a string.
enum Token {
    Code(char),
    Text(String),
}

/// The strings of a file with at least two words, outside of attributes and tests.
fn texts_of(file: &str, source: &str) -> Vec<Found> {
    let tokens = without_attributes(tokens(source));
    let mut found = Vec::new();
    // The items around this place, and the code since the last brace and the last statement.
    let (mut scopes, mut header, mut statement) = (Vec::<Scope>::new(), String::new(), String::new());
    // The code of the function so far, and its texts whose error is created in another statement.
    let (mut body, mut waiting) = (String::new(), Vec::<usize>::new());
    let mut depth = 0_usize;
    for token in tokens {
        match token {
            Token::Text(text) => {
                if is_prose(&text) && !statement.contains("assert") {
                    let function = scopes.last().map_or(String::new(), |scope| scope.name.clone());
                    let is_for_models = file.starts_with("agent/") && (is_sentence(&text) || text.ends_with('.'));
                    let kind = if is_for_models { Some(FOR_MODELS) } else { kind_in(&statement) };
                    match (kind, scopes.last()) {
                        (None, Some(scope)) if scope.is_function => waiting.push(found.len()),
                        _ => {}
                    }
                    let kind = kind.unwrap_or(PART).to_owned();
                    found.push(Found { file: file.to_owned(), function, kind, text });
                }
                statement.push('"');
            }
            Token::Code(letter) => {
                statement.push(letter);
                header.push(letter);
                match letter {
                    '{' => {
                        if let Some((name, is_function)) = item(&header) {
                            scopes.push(Scope { name, is_function, depth });
                            body.clear();
                        }
                        depth += 1;
                        header.clear();
                        body.push_str(&statement);
                        statement.clear();
                    }
                    '}' => {
                        depth = depth.saturating_sub(1);
                        body.push_str(&statement);
                        if scopes.last().is_some_and(|scope| scope.depth == depth) {
                            let scope = scopes.pop().unwrap();
                            let around = scopes.last().filter(|_| scope.name == "fmt").map(|it| it.name.clone());
                            let kind = kind_in(&body).map(str::to_owned).or(around).unwrap_or_else(|| PART.to_owned());
                            waiting.drain(..).for_each(|at| found[at].kind.clone_from(&kind));
                            body.clear();
                        }
                        header.clear();
                        statement.clear();
                    }
                    ';' => {
                        body.push_str(&statement);
                        header.clear();
                        statement.clear();
                    }
                    _ => {}
                }
            }
        }
    }
    found
}

/// Whether a text has two words.
fn is_prose(text: &str) -> bool {
    let is_sql = ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "PRAGMA", "BEGIN"]
        .iter()
        .any(|word| text.trim_start().starts_with(word));
    let words: Vec<_> = text.split(' ').collect();
    let is_word =
        |word: &&str| word.len() > 1 && word.trim_end_matches([',', ';', ':', '.']).chars().all(char::is_alphabetic);
    !is_sql && words.windows(2).any(|pair| is_word(&pair[0]) && (is_word(&pair[1]) || pair[1].starts_with(['{', '`'])))
}

/// The item whose body begins after this code: a function, or the type of an `impl`.
fn item(header: &str) -> Option<(String, bool)> {
    let words: Vec<_> = header
        .split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
        .filter(|word| !word.is_empty())
        .collect();
    let after = |word: &str| words.iter().rposition(|other| *other == word).and_then(|at| words.get(at + 1));
    if let Some(name) = after("fn") {
        return Some(((*name).to_owned(), true));
    }
    after("impl").map(|name| ((*after("for").unwrap_or(name)).to_owned(), false))
}

/// The error that code creates, by the last constructor in it.
fn kind_in(code: &str) -> Option<&'static str> {
    CONSTRUCTORS
        .iter()
        .filter_map(|(sign, kind)| code.rfind(sign).map(|at| (at, *kind)))
        .max_by_key(|(at, _)| *at)
        .map(|(_, kind)| kind)
}

fn tokens(source: &str) -> Vec<Token> {
    let letters: Vec<char> = source.chars().collect();
    let at = |index: usize| letters.get(index).copied().unwrap_or('\0');
    // Whether the letter is the prefix of a string (`r` or `br`), not the end of a name.
    let is_prefix = |index: usize| {
        let before = index.checked_sub(1 + usize::from(index > 0 && at(index - 1) == 'b'));
        before.is_none_or(|before| !at(before).is_alphanumeric())
    };
    let mut tokens = Vec::new();
    let mut index = 0;
    while index < letters.len() {
        match (at(index), at(index + 1)) {
            ('/', '/') => {
                while index < letters.len() && at(index) != '\n' {
                    index += 1;
                }
            }
            ('r', '"' | '#') if is_prefix(index) => {
                let mut marks = 0;
                while at(index + 1 + marks) == '#' {
                    marks += 1;
                }
                if at(index + 1 + marks) != '"' {
                    tokens.push(Token::Code('r'));
                    index += 1;
                    continue;
                }
                index += marks + 2;
                let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', marks)).collect();
                let mut text = String::new();
                while index < letters.len() && !letters[index..].starts_with(&end) {
                    text.push(at(index));
                    index += 1;
                }
                index += end.len();
                tokens.push(Token::Text(text));
            }
            ('"', _) => {
                index += 1;
                let mut text = String::new();
                while index < letters.len() && at(index) != '"' {
                    if at(index) != '\\' {
                        text.push(at(index));
                        index += 1;
                        continue;
                    }
                    match at(index + 1) {
                        '\n' => {
                            index += 2;
                            while at(index).is_whitespace() {
                                index += 1;
                            }
                            continue;
                        }
                        'n' => text.push('\n'),
                        'r' | 't' => text.push(' '),
                        other => text.push(other),
                    }
                    index += 2;
                }
                index += 1;
                tokens.push(Token::Text(text));
            }
            // A character, not a lifetime.
            ('\'', '\\') => {
                index += 3;
                while at(index) != '\'' {
                    index += 1;
                }
                index += 1;
            }
            ('\'', _) if at(index + 2) == '\'' => index += 3,
            (letter, _) => {
                tokens.push(Token::Code(letter));
                index += 1;
            }
        }
    }
    tokens
}

/// Leaves out attributes, and the items that are only for tests.
fn without_attributes(tokens: Vec<Token>) -> Vec<Token> {
    let code = |token: Option<&Token>| if let Some(Token::Code(letter)) = token { *letter } else { '\0' };
    let mut kept = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        let start = match code(tokens.get(index + 1)) {
            '!' => index + 2,
            _ => index + 1,
        };
        if code(tokens.get(index)) != '#' || code(tokens.get(start)) != '[' {
            kept.push(index);
            index += 1;
            continue;
        }
        let end = end_of(&tokens, start, '[', ']');
        let attribute: String = (start..end).map(|at| code(tokens.get(at))).collect();
        index = end;
        if attribute.contains("(test") || attribute.contains("(all(test") {
            while index < tokens.len() && !matches!(code(tokens.get(index)), '{' | ';') {
                index += 1;
            }
            index = if code(tokens.get(index)) == '{' { end_of(&tokens, index, '{', '}') } else { index + 1 };
        }
    }
    let mut kept = kept.into_iter().peekable();
    tokens.into_iter().enumerate().filter_map(|(index, token)| kept.next_if_eq(&index).map(|_| token)).collect()
}

/// Where the brackets that open at `start` close.
fn end_of(tokens: &[Token], start: usize, open: char, close: char) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        match token {
            Token::Code(letter) if *letter == open => depth += 1,
            Token::Code(letter) if *letter == close => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index + 1;
        }
    }
    tokens.len()
}

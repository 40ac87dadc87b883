//! Signing in, profiles and the configuration.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use openrouter_kit::mock::Answer;
use openrouter_kit::serde_json::json;

use crate::support::{KEY, Ran, World, finish, ran, streamed};

const SAVED: &str = "sk-or-v1-saved-by-login";

/// Runs the program without the key of the environment.
fn run_without_key(world: &World, args: &[&str], input: &str) -> Ran {
    let mut command = world.command(args);
    command.env_remove("OPENROUTER_API_KEY");
    let ran = finish(command, input.as_bytes());
    assert!(!ran.stdout.contains(SAVED) && !ran.stderr.contains(SAVED), "the key was shown: {ran:?}");
    ran
}

fn authorization(world: &World) -> String {
    world.server.requests().last().unwrap().header("authorization").unwrap_or_default().to_owned()
}

#[test]
fn a_browser_signs_in_with_pkce() {
    let world = World::new();
    // The profile to sign in to need not exist.
    world.write("config/openrouter/config.toml", "profile = \"work\"\n");
    world.server.on("POST", "/auth/keys", Answer::json(200, json!({"key": SAVED, "user_id": "u"})));
    let (mut login, port, url) = start_login(&world);
    assert!(url.contains("code_challenge_method=S256") && url.contains("limit=5"), "{url}");
    assert!(url.contains(&format!("callback_url=http%3A%2F%2Flocalhost%3A{port}%2Fcallback")), "{url}");

    // A connection that is opened ahead and never used must not block the one that counts.
    let idle = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert!(get(port, "/favicon.ico").starts_with("HTTP/1.1 404 "));
    assert!(get(port, "/callback?code=the%20code").contains("You are signed in"));
    let mut stderr = String::new();
    login.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(login.wait().unwrap().success(), "{stderr}");
    drop(idle);
    assert!(stderr.contains("in the file keys.toml") && !stderr.contains(SAVED), "{stderr}");

    let request = &world.server.requests()[0];
    let body = request.json();
    assert_eq!((&body["code"], &body["code_challenge_method"]), (&json!("the code").into(), &json!("S256").into()));
    assert_eq!(body["code_verifier"].as_str().unwrap().len(), 43);
    assert!(!url.contains(body["code_verifier"].as_str().unwrap()), "the verifier stays here");
    #[cfg(unix)]
    assert_eq!(crate::support::mode(&world.path("config/openrouter/keys.toml")), 0o600);

    world.server.answer(streamed(&["ok"]));
    assert_eq!(run_without_key(&world, &["hello"], "").code, 0);
    assert_eq!(authorization(&world), format!("Bearer {SAVED}"));
}

#[test]
fn a_refused_sign_in_saves_nothing() {
    let world = World::new();
    let (login, port, _) = start_login(&world);
    assert!(get(port, "/callback?error=access_denied").contains("refused"));
    let ran = ran(login.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stderr.contains("access_denied")), (4, true), "{}", ran.stderr);
    assert!(!world.path("config/openrouter/keys.toml").exists());
}

/// Starts signing in; returns the port and the URL for the browser.
fn start_login(world: &World) -> (Child, u16, String) {
    let mut command: Command = world.command(&["auth", "login", "--no-browser", "--port", "0", "--limit", "5"]);
    let mut login = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(login.stderr.take().unwrap());
    let mut url = String::new();
    while !url.contains("/auth?") {
        url.clear();
        assert_ne!(lines.read_line(&mut url).unwrap(), 0, "no URL was printed");
    }
    let port = url.split("localhost%3A").nth(1).unwrap().split('%').next().unwrap().parse().unwrap();
    login.stderr = Some(lines.into_inner());
    (login, port, url)
}

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn a_key_can_be_piped_in_and_forgotten() {
    let world = World::new();
    let ran = run_without_key(&world, &["auth", "login", "--with-key", "--profile", "work"], &format!("{SAVED}\n"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    world.server.answer(streamed(&["ok"])).answer(streamed(&["ok"]));
    assert_eq!(run_without_key(&world, &["hello", "--profile", "work"], "").code, 0);
    assert_eq!(authorization(&world), format!("Bearer {SAVED}"));
    assert_eq!(run_without_key(&world, &["hello"], "").code, 4, "the default profile has none");

    // A profile that is named goes before the environment, which goes before the default profile.
    run_without_key(&world, &["auth", "login", "--with-key"], "sk-or-v1-default");
    world.run(&["hello"]);
    assert_eq!(authorization(&world), format!("Bearer {KEY}"));
    world.server.answer(streamed(&["ok"]));
    world.run(&["hello", "--profile", "work"]);
    assert_eq!(authorization(&world), format!("Bearer {SAVED}"));

    assert_eq!(run_without_key(&world, &["auth", "logout", "--profile", "work"], "").code, 0);
    assert_eq!(run_without_key(&world, &["hello", "--profile", "work"], "").code, 2);
    assert_eq!(run_without_key(&world, &["auth", "login", "--with-key"], "\n").code, 2);
}

#[test]
fn the_status_says_where_the_key_is_from() {
    let world = World::new();
    let data = json!({"data": {
        "label": "sk-or-v1-abc...def", "usage": 1.5, "limit": 10, "limit_remaining": 8.5, "is_free_tier": false,
        "is_management_key": true, "is_provisioning_key": true, "include_byok_in_limit": false, "usage_daily": 0,
        "rate_limit": {"requests": 1, "interval": "10s", "note": ""},
    }});
    world.server.on("GET", "/key", Answer::json(200, data).always());
    let ran = world.run(&["auth", "status"]);
    let server = world.server.url();
    assert_eq!(
        ran.stdout,
        format!(
            "profile     default\nkey         sk-or-v1-abc...def\nfrom        OPENROUTER_API_KEY\nserver      {server}\n\
             spent       $1.50\nlimit       $10.00\nleft        $8.50\nmanagement  yes\n"
        ),
        "{}",
        ran.stderr
    );
    assert_eq!(run_without_key(&world, &["auth", "status"], "").code, 4);
}

#[test]
fn settings_come_from_the_command_line_the_environment_and_the_profile() {
    let world = World::new();
    world.write(
        "config/openrouter/config.toml",
        "[aliases]\nmini = \"openai/gpt-4o-mini\"\n\n[profiles.default]\nmodel = \"mini\"\nsystem = \"Be brief\"\n\
         save = false\n\n[profiles.other]\nmodel = \"x/y\"\n",
    );
    let model = |args: &[&str], variables: &[(&str, &str)]| {
        world.server.answer(streamed(&["ok"]));
        let mut command = world.command(args);
        command.envs(variables.iter().copied());
        assert_eq!(finish(command, b"").code, 0);
        world.last_request()["model"].clone()
    };
    assert_eq!(model(&["x"], &[]), "openai/gpt-4o-mini");
    assert_eq!(world.last_request()["messages"][0]["content"], "Be brief");
    assert_eq!(model(&["x"], &[("OPENROUTER_MODEL", "e/f")]), "e/f");
    assert_eq!(model(&["x", "-m", "mini:nitro"], &[("OPENROUTER_MODEL", "e/f")]), "openai/gpt-4o-mini:nitro");
    assert_eq!(model(&["x"], &[("OPENROUTER_PROFILE", "other")]), "x/y");
    assert_eq!(model(&["x", "--profile", "default"], &[("OPENROUTER_PROFILE", "other")]), "openai/gpt-4o-mini");
    assert_eq!(world.run(&["x", "--profile", "missing"]).code, 2);
}

#[test]
fn the_configuration_is_shown_without_secrets() {
    let world = World::new();
    let path = world.run(&["config", "path"]).stdout;
    assert_eq!(path.trim(), world.path("config/openrouter/config.toml").display().to_string());
    assert_eq!(world.run(&["config", "show"]).stdout, "# key of the profile \"default\": none\n");
    world.write("config/openrouter/config.toml", "[profiles.work]\nmodel = \"a/b\"\n");
    run_without_key(&world, &["auth", "login", "--with-key", "--profile", "work", "--store", "file"], SAVED);
    let ran = run_without_key(&world, &["config", "show"], "");
    assert_eq!(
        ran.stdout,
        "[profiles.work]\nmodel = \"a/b\"\n# key of the profile \"default\": none\n\
         # key of the profile \"work\": the file keys.toml\n"
    );
    // A key in the wrong file is not repeated by the error.
    world.write("config/openrouter/config.toml", format!("profiles = \"{SAVED}\"\n"));
    let ran = run_without_key(&world, &["config", "show"], "");
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn a_file_of_keys_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let world = World::new();
    run_without_key(&world, &["auth", "login", "--with-key"], SAVED);
    let path = world.path("config/openrouter/keys.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = run_without_key(&world, &["hello"], "");
    assert_eq!((ran.code, ran.stderr.contains("chmod 600")), (4, true), "{}", ran.stderr);
    assert_eq!(world.server.connections().opened, 0);
}

//! Installing the skill for coding agents.

use std::fs;
use std::path::Path;

use crate::support::World;

const FILE: &str = "openrouter-kit/SKILL.md";

#[test]
fn the_skill_is_written_where_agents_look_for_it() {
    let world = World::new();
    let ran = world.run(&["skill", "install"]);
    assert_eq!((ran.stderr.as_str(), ran.code), ("", 0));
    assert!(ran.stdout.starts_with(&format!(".agents/skills/{FILE}\n")), "{}", ran.stdout);
    assert!(ran.stdout.lines().all(|line| world.path(line).is_file()), "{}", ran.stdout);
    assert!(world.read(&format!(".agents/skills/{FILE}")).starts_with("---\nname: openrouter-kit\n"));
    assert!(!world.path(".claude").exists());

    fs::create_dir(world.path(".claude")).unwrap();
    world.run(&["skill", "install"]);
    assert!(world.path(&format!(".claude/skills/{FILE}")).exists());
    for (agent, project, user) in [
        ("copilot", ".github/skills", ".copilot/skills"),
        ("cursor", ".cursor/skills", ".cursor/skills"),
        ("gemini", ".gemini/skills", ".gemini/skills"),
        ("opencode", ".opencode/skills", ".config/opencode/skills"),
        ("codex", ".agents/skills", ".agents/skills"),
    ] {
        world.run(&["skill", "install", "--agent", agent]);
        assert!(world.path(&format!("{project}/{FILE}")).exists(), "{agent}");
        world.run(&["skill", "install", "--agent", agent, "--user"]);
        assert!(world.path(&format!("{user}/{FILE}")).exists(), "{agent}");
    }
    assert_eq!(world.run(&["skill", "install", "--dir", "elsewhere"]).code, 0);
    assert!(world.path(&format!("elsewhere/{FILE}")).exists());
}

/// The package of the command line has a copy, since a package contains only files of its own directory.
#[test]
fn the_skill_that_is_installed_is_that_of_the_repository() {
    let world = World::new();
    let ran = world.run(&["skill", "install"]);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../skills");
    let names: Vec<&str> = ran.stdout.lines().filter_map(|line| line.strip_prefix(".agents/skills/")).collect();
    for name in &names {
        let expected = fs::read_to_string(source.join(name)).unwrap();
        assert!(
            world.read(&format!(".agents/skills/{name}")) == expected,
            "{name}: copy skills/openrouter-kit to cli/skills"
        );
    }
    let references = fs::read_dir(source.join("openrouter-kit/references")).unwrap().count();
    assert_eq!(names.len(), references + 1, "{names:?}");
}

#[test]
fn a_file_of_the_skill_that_was_changed_is_left_alone() {
    let world = World::new();
    world.run(&["skill", "install"]);
    let path = format!(".agents/skills/{FILE}");
    world.write(&path, "My own words.");
    fs::remove_file(world.path(".agents/skills/openrouter-kit/references/errors.md")).unwrap();
    let ran = world.run(&["skill", "install"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("", 1));
    assert!(ran.stderr.contains(&path) && ran.stderr.contains("--force"), "{}", ran.stderr);
    assert_eq!(world.read(&path), "My own words.");
    assert!(!world.path(".agents/skills/openrouter-kit/references/errors.md").exists(), "nothing was written");
    assert_eq!(world.run(&["skill", "install", "--force"]).code, 0);
    assert!(world.read(&path).starts_with("---\n"));
}

//! How files are downloaded: head, bytes, errors, and what is on the disk afterwards.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use crate::a_limit::tokio;
use crate::support::{GET, POST, Script, Step, slow_body};
use bytes::Bytes;
use futures_core::Stream;
use http_body::Frame;
use http_body_util::StreamBody;
use openrouter_kit::OpenRouterCore;
use openrouter_kit::core::body::Body;
use openrouter_kit::core::{Call, Download, Parts, TransferProgress};
use openrouter_kit::errors::{ApiErrorKind, Error};
use openrouter_kit::mock::{Answer, Fault, MockServer, Place};
use serde_json::json;

async fn server(answer: Answer) -> (MockServer, OpenRouterCore) {
    let server = MockServer::start().await;
    server.answer(answer);
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).build().unwrap();
    (server, core)
}

fn download(core: &OpenRouterCore) -> Call<Download> {
    Call::new(core, Parts::new(&GET).path("id", "one"))
}

/// A file that the request generates.
fn generate(core: &OpenRouterCore) -> Call<Download> {
    Call::new(core, Parts::new(&POST))
}

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("openrouter-kit-downloads-{:016x}", fastrand::u64(..)));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> PathBuf {
        self.0.join("speech.mp3")
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn the_head_is_at_hand_before_the_bytes() {
    let answer = Answer::bytes(200, vec![1; 10])
        .header("content-type", "audio/mpeg")
        .header("x-generation-id", "gen-1")
        .fault(Fault::Stall, Place::AfterHead);
    let (_server, core) = server(answer).await;
    let file = download(&core).await.unwrap();
    assert_eq!(file.status(), 200);
    assert_eq!(file.media_type(), Some("audio/mpeg"));
    assert_eq!(file.generation_id(), Some("gen-1"));
    assert_eq!(file.headers()["content-length"], "10");
    assert_eq!(file.content_length(), Some(10));
}

#[tokio::test]
async fn the_length_is_that_of_the_whole_file_if_the_server_tells_it() {
    let (server, core) = server(Answer::bytes(200, vec![1; 100_000])).await;
    server.answer(Answer::bytes(200, "speech").chunked());
    let mut file = download(&core).await.unwrap();
    file.next().await.unwrap().unwrap();
    assert_eq!(file.content_length(), Some(100_000));
    assert_eq!(download(&core).await.unwrap().content_length(), None);
}

#[tokio::test]
async fn the_length_of_a_generated_file_is_told_although_its_first_bytes_were_read() {
    let (server, core) = server(Answer::bytes(200, vec![1; 100_000])).await;
    server.answer(Answer::bytes(200, "speech").chunked());
    let (reported, report) = noting();
    let file = generate(&core).await.unwrap().on_progress(report);
    assert_eq!(file.content_length(), Some(100_000));
    assert_eq!(file.collect().await.unwrap().len(), 100_000);
    assert_eq!(reported.lock().unwrap().last(), Some(&(100_000, Some(100_000))));
    assert_eq!(generate(&core).await.unwrap().content_length(), None);
}

#[tokio::test(start_paused = true)]
async fn a_generated_file_is_at_hand_with_its_first_bytes() {
    let chunks = vec![(Duration::ZERO, " "), (Duration::ZERO, "sound"), (Duration::from_secs(60), ", more of it")];
    let core = Script::new([Step::Answer(http::Response::new(slow_body(chunks, None)))]).core();
    let began = tokio::time::Instant::now();
    let file = generate(&core).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(file.collect().await.unwrap(), " sound, more of it");
}

type Notes = Arc<Mutex<Vec<(u64, Option<u64>)>>>;

/// A progress callback that records its calls.
fn noting() -> (Notes, impl FnMut(TransferProgress) + Send + 'static) {
    let reported = Notes::default();
    let notes = reported.clone();
    (reported, move |progress| notes.lock().unwrap().push((progress.bytes, progress.total)))
}

#[tokio::test]
async fn a_download_tells_how_far_it_has_come_whichever_way_it_is_read() {
    let folder = Folder::new();
    let (_server, core) = server(Answer::bytes(200, vec![1; 300_000]).times(3)).await;
    let (reported, report) = noting();
    let mut file = download(&core).await.unwrap().on_progress(report);
    let mut received = Vec::new();
    while let Some(chunk) = file.next().await {
        received.push(received.last().copied().unwrap_or_default() + chunk.unwrap().len() as u64);
    }
    assert_eq!(*reported.lock().unwrap(), received.into_iter().map(|n| (n, Some(300_000))).collect::<Vec<_>>());

    let (reported, report) = noting();
    download(&core).await.unwrap().on_progress(report).collect().await.unwrap();
    assert_eq!(reported.lock().unwrap().last(), Some(&(300_000, Some(300_000))));

    // What was read before counts.
    let mut file = download(&core).await.unwrap();
    let first = file.next().await.unwrap().unwrap().len() as u64;
    let (reported, report) = noting();
    assert_eq!(file.on_progress(report).save_to(folder.path()).await.unwrap(), 300_000 - first);
    assert!(reported.lock().unwrap().first().unwrap().0 > first);
    assert_eq!(reported.lock().unwrap().last(), Some(&(300_000, Some(300_000))));
}

#[tokio::test]
async fn progress_without_a_known_length_has_no_total() {
    let (_server, core) = server(Answer::chunks(vec![Bytes::from("one"), Bytes::from("four")]).chunked()).await;
    let (reported, report) = noting();
    download(&core).await.unwrap().on_progress(report).collect().await.unwrap();
    assert_eq!(reported.lock().unwrap().last(), Some(&(7, None)));
}

#[tokio::test]
async fn a_download_comes_whole_or_in_chunks() {
    let file: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let answer = Answer::bytes(200, file.clone()).header("content-type", "audio/mpeg").times(2);
    let (server, core) = server(answer).await;
    let whole = download(&core).await.unwrap();
    assert_eq!(whole.media_type(), Some("audio/mpeg"));
    assert_eq!(whole.collect().await.unwrap(), file);
    let mut chunks = download(&core).await.unwrap();
    let mut joined = Vec::new();
    while let Some(chunk) = chunks.next().await {
        joined.extend_from_slice(&chunk.unwrap());
    }
    assert_eq!(joined, file);
    assert_eq!(server.requests()[0].header("accept"), Some("*/*"));
}

#[tokio::test]
async fn a_file_may_look_like_an_error_and_is_still_a_file() {
    let text = json!({"error": {"code": 500, "message": "the content of a log"}});
    let (_server, core) = server(Answer::json(200, text.clone())).await;
    let bytes = download(&core).await.unwrap().collect().await.unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap(), text);
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let folder = Folder::new();
    let (_server, core) = server(Answer::bytes(200, "").times(2)).await;
    assert_eq!(download(&core).await.unwrap().collect().await.unwrap(), Bytes::new());
    assert_eq!(download(&core).await.unwrap().save_to(folder.path()).await.unwrap(), 0);
    assert_eq!(std::fs::read(folder.path()).unwrap(), b"");
}

#[tokio::test]
async fn an_error_status_comes_before_any_byte() {
    let (_server, core) = server(Answer::error(404, "no such file")).await;
    let error = download(&core).await.unwrap_err();
    assert_eq!(error.as_api().unwrap().kind(), ApiErrorKind::NotFound);
    assert_eq!(error.as_api().unwrap().message(), "no such file");
}

#[tokio::test]
async fn an_error_before_the_first_byte_is_retried_like_any_other() {
    let (server, core) = server(Answer::error(503, "busy").header("retry-after", "0")).await;
    server.answer(Answer::bytes(200, "file"));
    let soon = openrouter_kit::RetryConfig::backoff().initial_interval(Duration::from_millis(1));
    let file = download(&core).retry_config(soon).with_response().await.unwrap();
    assert_eq!(file.attempts, 2);
    assert_eq!(file.value.collect().await.unwrap(), "file");
}

#[tokio::test]
async fn bytes_come_as_the_server_sends_them() {
    let chunks = vec![Bytes::from("one"), Bytes::from("two")];
    let (_server, core) = server(Answer::chunks(chunks).chunked()).await;
    let mut file = download(&core).await.unwrap();
    assert_eq!(file.next().await.unwrap().unwrap(), "one");
    assert_eq!(file.next().await.unwrap().unwrap(), "two");
    assert!(file.next().await.is_none());
    assert!(file.next().await.is_none());
}

#[tokio::test]
async fn an_empty_chunk_is_not_passed_on() {
    let chunks = ["", "one", "", "", "two", ""].map(|chunk| Ok::<_, Error>(Frame::data(Bytes::from(chunk))));
    let body = Body::wrap(StreamBody::new(futures_util::stream::iter(chunks)));
    let mut file = download(&Script::new([Step::Answer(http::Response::new(body))]).core()).await.unwrap();
    let mut received = Vec::new();
    while let Some(chunk) = file.next().await {
        received.push(chunk.unwrap());
    }
    assert_eq!(received, ["one", "two"]);
}

#[tokio::test]
async fn a_file_that_breaks_off_is_an_error_after_what_came_of_it() {
    for answer in [Answer::bytes(200, vec![7; 1000]), Answer::bytes(200, vec![7; 1000]).chunked()] {
        let (_server, core) = server(answer.fault(Fault::Close, Place::AfterBytes(600)).times(2)).await;
        let mut file = download(&core).await.unwrap();
        let mut length = 0;
        let error = loop {
            match file.next().await.expect("an error and no quiet end") {
                Ok(bytes) => length += bytes.len(),
                Err(error) => break error,
            }
        };
        assert!(length > 0 && length < 1000);
        let Error::Connection(error) = error else { panic!("{error:?}") };
        assert!(error.is_incomplete());
        assert!(file.next().await.is_none(), "the error ends it");
        assert!(download(&core).await.unwrap().collect().await.unwrap_err().is_connection());
    }
}

#[tokio::test]
async fn a_file_is_saved_under_its_name_and_nothing_else_is_left() {
    let folder = Folder::new();
    std::fs::write(folder.path(), "an older and longer file").unwrap();
    let content: Vec<u8> = (0..500_000_u32).map(|n| n as u8).collect();
    let (_server, core) = server(Answer::bytes(200, content.clone())).await;
    assert_eq!(download(&core).await.unwrap().save_to(folder.path()).await.unwrap(), 500_000);
    assert!(std::fs::read(folder.path()).unwrap() == content);
    assert_eq!(folder.names(), ["speech.mp3"]);
}

#[tokio::test]
async fn a_file_that_breaks_off_is_not_on_the_disk() {
    let folder = Folder::new();
    let (_server, core) = server(Answer::bytes(200, vec![7; 300_000]).fault(Fault::Reset, Place::InBody)).await;
    let error = download(&core).await.unwrap().save_to(folder.path()).await.unwrap_err();
    assert!(error.is_connection(), "{error:?}");
    assert!(folder.names().is_empty());
}

/// The name that the file `name` has until it is complete.
async fn part_of(name: &str) -> String {
    let folder = Folder::new();
    let (server, core) = server(Answer::bytes(200, vec![7; 300_000]).fault(Fault::Stall, Place::InBody)).await;
    let mut saving = Box::pin(download(&core).await.unwrap().save_to(folder.0.join(name)));
    // Polled until the part is there; it then waits for a server that sends nothing more.
    while folder.names().is_empty() {
        assert!(saving.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        tokio::task::yield_now().await;
    }
    let mut names = folder.names();
    assert_eq!(names.len(), 1, "{names:?}");
    drop(saving);
    server.all_closed().await;
    // The part may be in the hands of another thread, which removes it when it is done.
    while !folder.names().is_empty() {
        tokio::task::yield_now().await;
    }
    names.remove(0)
}

#[tokio::test]
async fn until_it_is_complete_the_file_has_another_name() {
    let part = part_of("speech.mp3").await;
    assert!(part.starts_with(".speech.mp3.") && part.ends_with(".part"), "{part}");
}

#[tokio::test]
async fn the_name_of_a_part_has_at_most_100_bytes_of_that_of_the_file() {
    for (name, kept) in [
        ("n".repeat(100), "n".repeat(100)),
        ("n".repeat(101), "n".repeat(100)),
        ("é".repeat(51), "é".repeat(50)),
        ("日".repeat(50), "日".repeat(33)),
        ("n".repeat(99) + "é.mp3", "n".repeat(99)),
    ] {
        let part = part_of(&name).await;
        let start = part.strip_prefix('.').and_then(|part| part.split_once('.')).map(|(start, _)| start);
        assert_eq!(start, Some(kept.as_str()), "{name}");
    }
}

#[tokio::test]
async fn two_downloads_to_one_path_do_not_mix() {
    let folder = Folder::new();
    let (server, core) = server(Answer::bytes(200, vec![1; 300_000])).await;
    server.answer(Answer::bytes(200, vec![2; 200_000]));
    let one = async { download(&core).await.unwrap().save_to(folder.path()).await.unwrap() };
    let two = async { download(&core).await.unwrap().save_to(folder.path()).await.unwrap() };
    let (one, two) = tokio::join!(one, two);
    assert_eq!(one + two, 500_000);
    let saved = std::fs::read(folder.path()).unwrap();
    assert!(saved == vec![1; 300_000] || saved == vec![2; 200_000]);
    assert_eq!(folder.names(), ["speech.mp3"]);
}

#[cfg(unix)]
mod on_unix {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;
    use crate::a_limit::tokio;

    async fn saved(path: impl AsRef<Path>) -> Result<u64, Error> {
        let (_server, core) = server(Answer::bytes(200, vec![7; 100_000])).await;
        download(&core).await.unwrap().save_to(path).await
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_keeps_its_permissions() {
        let folder = Folder::new();
        for permissions in [0o600, 0o640, 0o400, 0o666, 0o755] {
            std::fs::write(folder.path(), "old").unwrap();
            std::fs::set_permissions(folder.path(), Permissions::from_mode(permissions)).unwrap();
            let before = std::fs::metadata(folder.path()).unwrap();
            saved(folder.path()).await.unwrap();
            assert_eq!(mode(&folder.path()), permissions, "{permissions:o}");
            let after = std::fs::metadata(folder.path()).unwrap();
            assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
            assert_eq!(after.len(), 100_000);
            std::fs::remove_file(folder.path()).unwrap();
        }
    }

    #[tokio::test]
    async fn a_part_is_as_private_as_the_file_that_it_replaces_from_its_first_moment() {
        use std::sync::atomic::{AtomicBool, Ordering};

        let folder = Folder::new();
        std::fs::write(folder.path(), "private").unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o600)).unwrap();
        let (_server, core) = server(Answer::bytes(200, "content").always()).await;
        let (path, is_over) = (folder.0.clone(), Arc::new(AtomicBool::new(false)));
        let ends = is_over.clone();
        // It looks at whatever is in the folder as often as it can.
        let watching = std::thread::spawn(move || {
            let mut modes = std::collections::BTreeSet::new();
            while !ends.load(Ordering::Relaxed) {
                let entries = std::fs::read_dir(&path).unwrap().filter_map(Result::ok);
                let parts = entries.filter(|entry| entry.file_name() != "speech.mp3");
                modes.extend(parts.filter_map(|part| Some(part.metadata().ok()?.mode() & 0o7777)));
            }
            modes
        });
        for _ in 0..100 {
            download(&core).await.unwrap().save_to(folder.path()).await.unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
        let modes = watching.join().unwrap();
        assert!(modes.iter().all(|mode| *mode == 0o600), "{modes:?}");
    }

    #[tokio::test]
    async fn a_download_runs_with_nobody_elses_rights() {
        let folder = Folder::new();
        std::fs::write(folder.path(), "old").unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o4755)).unwrap();
        saved(folder.path()).await.unwrap();
        assert_eq!(mode(&folder.path()), 0o755);
    }

    #[tokio::test]
    async fn a_private_file_is_private_while_it_is_written() {
        let folder = Folder::new();
        std::fs::write(folder.path(), "old").unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o600)).unwrap();
        let answer = Answer::bytes(200, vec![7; 300_000]).fault(Fault::Stall, Place::InBody);
        let (_server, core) = server(answer).await;
        let mut saving = Box::pin(download(&core).await.unwrap().save_to(folder.path()));
        while folder.names().len() < 2 {
            assert!(saving.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            tokio::task::yield_now().await;
        }
        assert_eq!(mode(&folder.0.join(&folder.names()[0])), 0o600);
    }

    #[tokio::test]
    async fn a_new_file_has_the_permissions_of_any_new_file() {
        let folder = Folder::new();
        saved(folder.path()).await.unwrap();
        std::fs::write(folder.0.join("other"), "x").unwrap();
        assert_eq!(mode(&folder.path()), mode(&folder.0.join("other")));
    }

    #[tokio::test]
    async fn a_link_stays_and_what_it_points_to_is_replaced() {
        let folder = Folder::new();
        let inner = folder.0.join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("target"), "old").unwrap();
        std::fs::set_permissions(inner.join("target"), Permissions::from_mode(0o600)).unwrap();
        symlink("inner/target", folder.0.join("first")).unwrap();
        symlink("first", folder.path()).unwrap();
        saved(folder.path()).await.unwrap();
        assert_eq!(std::fs::read_link(folder.path()).unwrap(), Path::new("first"));
        assert_eq!(std::fs::read_link(folder.0.join("first")).unwrap(), Path::new("inner/target"));
        assert_eq!(std::fs::read(inner.join("target")).unwrap().len(), 100_000);
        assert_eq!(mode(&inner.join("target")), 0o600);
        assert_eq!(folder.names(), ["first", "inner", "speech.mp3"]);
        assert_eq!(std::fs::read_dir(&inner).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_link_to_a_file_that_is_not_there_stays_and_the_file_is_created() {
        let folder = Folder::new();
        std::fs::create_dir(folder.0.join("inner")).unwrap();
        symlink("../target", folder.0.join("inner/second")).unwrap();
        symlink(folder.0.join("inner/second"), folder.path()).unwrap();
        saved(folder.path()).await.unwrap();
        assert!(folder.path().is_symlink() && folder.0.join("inner/second").is_symlink());
        assert_eq!(std::fs::read(folder.0.join("target")).unwrap().len(), 100_000);
        assert_eq!(folder.names(), ["inner", "speech.mp3", "target"]);
    }

    #[tokio::test]
    async fn links_that_lead_nowhere_are_an_error() {
        let folder = Folder::new();
        symlink("two", folder.0.join("one")).unwrap();
        symlink("one", folder.0.join("two")).unwrap();
        symlink("missing/target", folder.path()).unwrap();
        for path in [folder.0.join("one"), folder.path()] {
            let error = saved(path).await.unwrap_err();
            assert!(matches!(error, Error::Unexpected(_)), "{error:?}");
        }
        assert_eq!(folder.names(), ["one", "speech.mp3", "two"]);
    }
}

#[tokio::test]
async fn a_name_may_be_as_long_as_the_system_allows() {
    let folder = Folder::new();
    // 255 bytes each, which are as many or fewer units of UTF-16.
    for name in ["n".repeat(251) + ".mp3", "n".repeat(240), "日".repeat(85)] {
        let (_server, core) = server(Answer::bytes(200, "content").times(2)).await;
        for _ in 0..2 {
            download(&core).await.unwrap().save_to(folder.0.join(&name)).await.unwrap();
        }
        assert_eq!(folder.names(), [name.as_str()]);
        std::fs::remove_file(folder.0.join(name)).unwrap();
    }
}

#[tokio::test]
async fn a_program_that_panics_on_progress_leaves_no_part() {
    let folder = Folder::new();
    let (_server, core) = server(Answer::bytes(200, vec![7; 100_000])).await;
    let file = download(&core).await.unwrap().on_progress(|_| panic!("as the test says"));
    let saving = tokio::spawn(file.save_to(folder.path()));
    assert!(saving.await.unwrap_err().is_panic());
    assert!(folder.names().is_empty());
}

#[tokio::test]
async fn dropping_a_download_closes_its_connection() {
    let (server, core) = server(Answer::huge(200, 1 << 40)).await;
    let mut file = download(&core).await.unwrap();
    file.next().await.unwrap().unwrap();
    drop(file);
    server.all_closed().await;
}

#[tokio::test]
async fn a_download_is_a_stream_that_can_be_sent() {
    fn check<T: Stream<Item = Result<Bytes, Error>> + Send + Unpin>(_: &T) {}
    let (_server, core) = server(Answer::bytes(200, "secret").header("content-type", "text/plain")).await;
    let file = download(&core).await.unwrap();
    check(&file);
    let text = format!("{file:?}");
    assert!(text.contains("text/plain") && !text.contains("secret"), "{text}");
    let saving = pin!(file.save_to("/"));
    assert!(saving.await.is_err());
}

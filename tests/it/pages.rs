//! How lists are read page by page: by offset and by cursor, how they end, and what their errors
//! are.

use std::pin::Pin;

use futures_core::Stream;
use http::Method;
use openrouter_kit::core::wire::{DecodeError, Json, Reader, Root, Sealed, Wire, Writer, decode};
use openrouter_kit::core::{Call, Items, OpenRouterCore, Operation, Page, Pages, Paging, Parts};
use openrouter_kit::errors::Error;
use openrouter_kit::mock::{Answer, MockServer};
use serde_json::json;

use crate::a_limit::tokio;

/// A page of numbers, with a cursor perhaps.
#[derive(Clone, Debug, PartialEq)]
struct Numbers(Json);

impl Sealed for Numbers {}

impl Wire for Numbers {
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.0.read(reader)
    }

    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }

    fn missing() -> Self {
        Self(Json::missing())
    }

    fn is_missing(&self) -> bool {
        *self == Self::missing()
    }
}

impl Root for Numbers {
    fn reports_error(&self) -> bool {
        self.0.get("error").is_some()
    }
}

impl Page for Numbers {
    type Item = i64;

    fn into_items(self) -> Vec<i64> {
        self.0["data"].deserialize().unwrap()
    }

    fn length(&self) -> usize {
        self.clone().into_items().len()
    }

    fn cursor(&self) -> Option<&str> {
        // The text between the quotes; null has none.
        self.0.as_text().split("\"cursor\":\"").nth(1)?.split('"').next()
    }
}

static LIMITED: Operation =
    Operation::new("listNumbers", Method::GET, "/numbers").with_paging(Paging::Offset { default_limit: Some(3) });
static UNLIMITED: Operation =
    Operation::new("listNumbers", Method::GET, "/numbers").with_paging(Paging::Offset { default_limit: None });
static CURSOR: Operation = Operation::new("listNumbers", Method::GET, "/numbers").with_paging(Paging::Cursor("cursor"));
static WHOLE: Operation = Operation::new("getNumbers", Method::GET, "/numbers");

fn page(numbers: &[i64]) -> Answer {
    Answer::json(200, json!({"data": numbers}))
}

fn page_before(numbers: &[i64], cursor: &str) -> Answer {
    Answer::json(200, json!({"data": numbers, "cursor": cursor}))
}

async fn server(pages: impl IntoIterator<Item = Answer>) -> (MockServer, OpenRouterCore) {
    let server = MockServer::start().await;
    for page in pages {
        server.answer(page);
    }
    let core = OpenRouterCore::builder().api_key("k").server_url(server.url()).build().unwrap();
    (server, core)
}

fn call(core: &OpenRouterCore, operation: &'static Operation, query: &[(&'static str, &str)]) -> Call<Numbers> {
    let parts = query.iter().fold(Parts::new(operation), |parts, (name, value)| parts.query(name, Some(*value)));
    Call::new(core, parts)
}

async fn all(mut pages: Pages<Numbers>) -> Vec<Result<Vec<i64>, Error>> {
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        all.push(page.map(Page::into_items));
    }
    assert!(pages.next().await.is_none(), "a list that is over stays over");
    all
}

fn numbers(pages: &[Result<Vec<i64>, Error>]) -> Vec<Vec<i64>> {
    pages.iter().filter_map(|page| page.as_ref().ok().cloned()).collect()
}

fn queries(server: &MockServer) -> Vec<String> {
    server.requests().into_iter().map(|request| request.query).collect()
}

#[tokio::test]
async fn the_next_page_begins_after_the_items_of_this_one() {
    let (server, core) = server([page(&[1, 2, 3]), page(&[4, 5, 6]), page(&[7])]).await;
    let pages = all(call(&core, &LIMITED, &[]).pages()).await;
    assert_eq!(numbers(&pages), [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
    assert_eq!(queries(&server), ["limit=3", "limit=3&offset=3", "limit=3&offset=6"], "the default is asked for");
}

#[tokio::test]
async fn a_limit_that_the_server_caps_does_not_end_the_list() {
    let (server, core) = server([page(&[1, 2, 3]), page(&[4, 5, 6]), page(&[7])]).await;
    let all = call(&core, &LIMITED, &[("limit", "1000")]).items().collect().await.unwrap();
    assert_eq!(all, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(queries(&server), ["limit=1000", "limit=1000&offset=3", "limit=1000&offset=6"]);
}

#[tokio::test]
async fn a_list_as_long_as_a_capped_page_ends_with_an_empty_one() {
    let (server, core) = server([page(&[1, 2, 3]), page(&[])]).await;
    assert_eq!(call(&core, &LIMITED, &[("limit", "4")]).items().collect().await.unwrap(), [1, 2, 3]);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_short_page_that_comes_for_every_offset_is_the_whole_list() {
    let (server, core) = server([page(&[1, 2]).always()]).await;
    assert_eq!(call(&core, &LIMITED, &[("limit", "1000")]).items().collect().await.unwrap(), [1, 2]);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_page_shorter_than_the_limit_that_was_asked_for_is_the_last() {
    let (server, core) = server([page(&[1, 2]), page(&[3])]).await;
    let pages = all(call(&core, &LIMITED, &[("limit", "2")]).pages()).await;
    assert_eq!(numbers(&pages), [vec![1, 2], vec![3]]);
    assert_eq!(queries(&server), ["limit=2", "limit=2&offset=2"]);
}

#[tokio::test]
async fn without_a_known_limit_the_list_ends_with_an_empty_page() {
    let (server, core) = server([page(&[1, 2, 3]), page(&[4]), page(&[])]).await;
    let pages = all(call(&core, &UNLIMITED, &[]).pages()).await;
    assert_eq!(numbers(&pages), [vec![1, 2, 3], vec![4], vec![]]);
    assert_eq!(queries(&server), ["", "offset=3", "offset=4"]);
}

#[tokio::test]
async fn a_list_can_begin_in_the_middle_and_keeps_its_other_parameters() {
    let (server, core) = server([page(&[8, 9]), page(&[10])]).await;
    let query = [("offset", "7"), ("name", "a&b c"), ("limit", "2"), ("tag", "x"), ("tag", "y")];
    let pages = all(call(&core, &LIMITED, &query).pages()).await;
    assert_eq!(numbers(&pages), [vec![8, 9], vec![10]]);
    assert_eq!(
        queries(&server),
        ["offset=7&name=a%26b%20c&limit=2&tag=x&tag=y", "name=a%26b%20c&limit=2&tag=x&tag=y&offset=9"]
    );
}

#[tokio::test]
async fn a_cursor_is_followed_until_there_is_none() {
    let pages =
        [page_before(&[1], "a/b+c="), page_before(&[], "d"), Answer::json(200, json!({"data": [2], "cursor": null}))];
    let (server, core) = server(pages).await;
    let pages = all(call(&core, &CURSOR, &[("limit", "50")]).pages()).await;
    assert_eq!(numbers(&pages), [vec![1], vec![], vec![2]]);
    assert_eq!(queries(&server), ["limit=50", "limit=50&cursor=a%2Fb%2Bc%3D", "limit=50&cursor=d"]);
}

#[tokio::test]
async fn an_empty_cursor_is_none() {
    let (_server, core) = server([page_before(&[1], "")]).await;
    assert_eq!(all(call(&core, &CURSOR, &[]).pages()).await.len(), 1);
}

#[cfg(feature = "models")]
#[test]
fn a_page_of_a_list_that_is_paged_by_offset_has_no_cursor() {
    let page: openrouter_kit::models::ModelsListResponse = decode(r#"{"data":[]}"#).unwrap();
    assert_eq!((page.cursor(), page.has_more(), page.cursor_parameter()), (None, None, None));
}

#[tokio::test]
async fn a_cursor_that_comes_again_ends_the_list_with_an_error() {
    let circle = || [page_before(&[1], "a"), page_before(&[2], "b"), page_before(&[3], "a")];
    let (server, core) = server(circle()).await;
    let pages = all(call(&core, &CURSOR, &[]).pages()).await;
    assert_eq!(numbers(&pages), [[1], [2], [3]]);
    let error = pages[3].as_ref().unwrap_err();
    assert!(matches!(error, Error::Unexpected(_)), "{error:?}");
    assert!(error.to_string().contains("same cursor twice"), "{error}");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn the_cursor_that_the_list_began_with_counts_too() {
    let (server, core) = server([page_before(&[1], "a/b")]).await;
    let pages = all(call(&core, &CURSOR, &[("cursor", "a/b")]).pages()).await;
    assert!(pages[0].is_ok() && pages[1].is_err());
    assert_eq!(queries(&server), ["cursor=a%2Fb"]);
}

#[tokio::test]
async fn the_same_page_for_every_offset_does_not_make_an_endless_list() {
    let (server, core) = server([page(&[1, 2, 3]).always()]).await;
    let pages = all(call(&core, &LIMITED, &[]).pages()).await;
    assert_eq!(numbers(&pages), [[1, 2, 3]]);
    assert!(pages[1].as_ref().unwrap_err().to_string().contains("same page twice"));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn an_error_is_given_once_and_ends_the_list() {
    let (server, core) = server([page(&[1, 2, 3]), Answer::error(403, "no"), page(&[4])]).await;
    let pages = all(call(&core, &LIMITED, &[]).pages()).await;
    assert_eq!(numbers(&pages), [[1, 2, 3]]);
    assert_eq!(pages.len(), 2);
    assert_eq!(pages[1].as_ref().unwrap_err().status().unwrap().as_u16(), 403);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn every_page_is_a_call_with_all_options() {
    let busy = Answer::error(503, "busy").header("retry-after", "0");
    let (server, core) = server([page(&[1, 2, 3]), busy, page(&[4])]).await;
    let call = call(&core, &LIMITED, &[]).header("x-tenant", "blue").server_url(server.url() + "/other");
    let retries = openrouter_kit::RetryConfig::backoff().initial_interval(std::time::Duration::from_millis(1));
    assert_eq!(call.retry_config(retries).items().collect().await.unwrap(), [1, 2, 3, 4]);
    let requests = server.requests();
    assert_eq!(requests.len(), 3, "the second page was asked for twice");
    assert!(requests.iter().all(|request| request.header("x-tenant") == Some("blue")));
    assert!(requests.iter().all(|request| request.path == "/api/v1/other/numbers"));
    assert_eq!(requests[1].query, requests[2].query);
}

#[tokio::test]
async fn items_come_one_by_one_and_the_next_page_only_when_it_is_needed() {
    let (server, core) = server([page(&[1, 2, 3]), page(&[4, 5])]).await;
    let mut items = call(&core, &LIMITED, &[]).items();
    for expected in 1..=3 {
        assert_eq!(items.next().await.unwrap().unwrap(), expected);
    }
    assert_eq!(server.requests().len(), 1);
    assert_eq!(items.next().await.unwrap().unwrap(), 4);
    assert_eq!(items.next().await.unwrap().unwrap(), 5);
    assert!(items.next().await.is_none());
    assert!(items.next().await.is_none());
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn an_error_among_the_items_comes_after_those_of_the_pages_before() {
    let (_server, core) = server([page_before(&[1, 2], "a"), page_before(&[], "b"), Answer::error(400, "bad")]).await;
    let mut items = call(&core, &CURSOR, &[]).items();
    assert_eq!(items.next().await.unwrap().unwrap(), 1);
    assert_eq!(items.next().await.unwrap().unwrap(), 2);
    assert!(items.next().await.unwrap().is_err());
    assert!(items.next().await.is_none());
}

#[tokio::test]
async fn pages_of_an_operation_without_pages_are_a_mistake() {
    let (server, core) = server([page(&[1])]).await;
    let pages = all(call(&core, &WHOLE, &[]).pages()).await;
    let error = pages[0].as_ref().unwrap_err();
    assert!(matches!(error, Error::InvalidRequest(_)), "{error:?}");
    assert!(error.to_string().starts_with("getNumbers: `pages` and `items` are not available"), "{error}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_mistake_in_the_call_is_the_only_page() {
    let (server, core) = server([]).await;
    let call = call(&core, &LIMITED, &[]).header("bad name", "x");
    let pages = all(call.pages()).await;
    assert_eq!(pages.len(), 1);
    assert!(matches!(pages[0], Err(Error::InvalidRequest(_))));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_page_that_is_dropped_while_it_is_waited_for_is_not_asked_for_twice() {
    let (server, core) = server([page(&[1, 2, 3]), page(&[4])]).await;
    let mut pages = call(&core, &LIMITED, &[]).pages();
    {
        let mut waker = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut pages).poll_next(&mut waker).is_pending());
        // A `next()` that is dropped, as in `select!`, leaves the call running.
        let next = pages.next();
        drop(next);
    }
    assert_eq!(all(pages).await.len(), 2);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn pages_and_items_are_streams_that_can_be_sent() {
    fn check<T: Stream + Send + Unpin>() {}
    check::<Pages<Numbers>>();
    check::<Items<Numbers>>();
}

#[cfg(feature = "vault")]
#[tokio::test]
async fn a_page_that_tells_whether_another_follows_has_the_last_word() {
    use openrouter_kit::models::vault::VaultListVaultSecretsParams;
    let page = |names: &[&str], has_more: bool| {
        let secret =
            |name: &&str| json!({"name": name, "hosts": null, "fingerprint": null, "created_at": "2026-10-30"});
        Answer::json(200, json!({"data": names.iter().map(secret).collect::<Vec<_>>(), "has_more": has_more}))
    };
    // The first page is shorter than the limit, the last is as long.
    let (server, core) = server([page(&["a"], true), page(&["b", "c"], false)]).await;
    let params = VaultListVaultSecretsParams::new().limit(2);
    let secrets =
        openrouter_kit::funcs::vault_list_vault_secrets(&core).params(params).items().collect().await.unwrap();
    assert_eq!(secrets.iter().map(|secret| secret.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(queries(&server), ["limit=2", "limit=2&offset=1"]);
}

#[cfg(feature = "containers")]
#[tokio::test]
async fn files_of_containers_are_paged_by_the_last_id_until_there_are_no_more() {
    let page = |ids: &[&str], last: &str, has_more: bool| {
        let file =
            |id: &&str| json!({"id": id, "object": "container.file", "path": id, "container_id": "c", "bytes": 1});
        let data: Vec<_> = ids.iter().map(file).collect();
        Answer::json(
            200,
            json!({"object": "list", "data": data, "first_id": null, "last_id": last, "has_more": has_more}),
        )
    };
    // A page may be empty and name a position that is not a file, and the last one names its last file.
    let (server, core) = server([page(&["a"], "a", true), page(&[], "dir/", true), page(&["b"], "b", false)]).await;
    let call = openrouter_kit::funcs::containers_list_container_files(&core, "c");
    let files = call.items().collect().await.unwrap();
    assert_eq!(files.iter().map(|file| file.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(queries(&server), ["", "after=a", "after=dir%2F"]);
}

#[cfg(feature = "api-keys")]
#[tokio::test]
async fn keys_come_as_one_list() {
    let key = |n: usize| json!({"hash": n.to_string(), "name": "key"});
    let keys = |range: std::ops::Range<usize>| Answer::json(200, json!({"data": range.map(key).collect::<Vec<_>>()}));
    let (server, core) = server([keys(0..100), keys(100..130), keys(0..0)]).await;
    let client = openrouter_kit::OpenRouter::from(core);
    let all = client.api_keys().list().items().collect().await.unwrap();
    let hashes: Vec<_> = all.into_iter().map(|key| key.hash).collect();
    assert_eq!(hashes, (0..130).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(queries(&server)[..2], ["", "offset=100"]);
}

#[cfg(feature = "files")]
#[test]
fn a_page_of_files_has_the_length_of_its_list_whichever_store_it_is_of() {
    use openrouter_kit::models::FileListResponse;
    for shape in ["openrouter", "openai", "anthropic"] {
        for length in [0, 1, 3] {
            let file = |n: usize| json!({"_shape": shape, "id": format!("f{n}"), "filename": "a.pdf"});
            let files: Vec<_> = (0..length).map(file).collect();
            let page = json!({"_shape": shape, "data": files, "first_id": null, "last_id": null, "has_more": false});
            let page: FileListResponse = serde_json::from_value(page).unwrap();
            assert_eq!((page.length(), page.into_items().len()), (length, length), "{shape}");
        }
    }
}

#[cfg(feature = "files")]
#[tokio::test]
async fn files_are_paged_as_their_store_does_it() {
    use openrouter_kit::models::{FileProvider, FilesListParams};
    let page = |shape: &str, id: &str, more: bool| {
        let file = match shape {
            "openai" => json!({"_shape": shape, "id": id, "object": "file", "bytes": 1, "created_at": 1,
                "filename": "a.pdf", "purpose": "user_data"}),
            _ => json!({"_shape": shape, "id": id, "type": "file", "filename": "a.pdf", "mime_type": "application/pdf",
                "size_bytes": 1, "created_at": "2025-01-01T00:00:00Z", "downloadable": false}),
        };
        let mut page = json!({"_shape": shape, "data": [file], "first_id": id, "last_id": id, "has_more": more});
        match shape {
            "openrouter" => page["cursor"] = if more { json!(format!("after {id}")) } else { json!(null) },
            "openai" => page["object"] = json!("list"),
            _ => {}
        }
        Answer::json(200, page)
    };
    let cases = [
        ("openrouter", "cursor=after%20f1"),
        ("openai", "provider=openai&after=f1"),
        ("anthropic", "provider=anthropic&after_id=f1"),
    ];
    for (shape, second) in cases {
        let (server, core) = server([page(shape, "f1", true), page(shape, "f2", false)]).await;
        let mut params = FilesListParams::new();
        if shape != "openrouter" {
            params = params.provider(FileProvider::from(shape));
        }
        let files = openrouter_kit::funcs::files_list(&core).params(params).items().collect().await.unwrap();
        assert_eq!(files.len(), 2, "{shape}");
        assert_eq!(queries(&server)[1], second);
    }
}

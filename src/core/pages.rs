//! Paginated lists: the stream of the pages, and the stream of their items.

use std::collections::HashSet;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;

use super::call::{Call, CallWithResponse, Draft, Response};
use super::operation::Paging;
use super::wire::Root;
use crate::errors::{Error, UnexpectedError};

/// A response that is one page of a list.
pub trait Page: Root {
    /// The type of an item of the list.
    type Item: Send + 'static;

    /// Returns the items of this page.
    fn into_items(self) -> Vec<Self::Item>;

    /// Returns how many items this page has.
    fn length(&self) -> usize;

    /// Returns where the next page begins, for lists that are paged by a cursor; `None` on the last
    /// page.
    fn cursor(&self) -> Option<&str> {
        None
    }

    /// Returns whether another page follows, if the page itself says so.
    fn has_more(&self) -> Option<bool> {
        None
    }

    /// Returns the query parameter that takes the cursor, if it is not the one of the operation
    /// ([`Paging::Cursor`]): a server that forwards lists of other providers keeps their way of
    /// paging.
    fn cursor_parameter(&self) -> Option<&'static str> {
        None
    }
}

impl<T: Page, P> Call<T, P> {
    /// Returns all pages, starting with the one that this call requests, as a stream. Must be the
    /// last option of the call.
    ///
    /// Each page is a separate call with all options of this one: retries, time limits (the one for
    /// the whole call counts for each page), hooks, headers.
    ///
    /// - If the operation pages by offset, the next page starts after the items of this one. Every
    ///   page is requested with the limit of the call, or else the default of the operation, and
    ///   the stream ends with a page that is empty or shorter than that. A server may cap a limit
    ///   above the default: then a short page is the last only if it is shorter than the one before
    ///   it.
    /// - If it pages by cursor, the stream ends with the first page without a cursor.
    /// - If a page says whether another one follows ([`Page::has_more`]), that decides.
    /// - A list that would never end (the same cursor or the same page twice) ends with
    ///   [`Error::Unexpected`].
    /// - An error ends the stream.
    ///
    /// An operation that is not paginated returns [`Error::InvalidRequest`].
    ///
    /// ```no_run
    /// # #[cfg(feature = "models")]
    /// # async fn run(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
    /// let mut pages = client.models().list().pages();
    /// while let Some(page) = pages.next().await {
    ///     println!("{} models", page?.data.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn pages(self) -> Pages<T> {
        let mut draft = self.into_draft();
        let parts = &mut draft.parts;
        let paging = parts.operation().paging();
        if let Some(Paging::Offset { default_limit: Some(limit) }) = paging
            && parts.query_value("limit").is_none()
        {
            // The server's default may differ from the documented one.
            parts.set_query("limit", &limit.to_string());
        }
        let asked = |name| parts.query_value(name);
        let position = Position {
            offset: asked("offset").and_then(|text| text.parse().ok()).unwrap_or_default(),
            limit: asked("limit").and_then(|text| text.parse().ok()),
            cursors: match paging {
                Some(Paging::Cursor(name)) => asked(name).into_iter().collect(),
                _ => HashSet::new(),
            },
            last: Bytes::new(),
            length: None,
        };
        Pages { draft, paging, position, state: State::Next }
    }

    /// Returns the items of [all pages](Self::pages), one by one, as a stream. Must be the last
    /// option of the call.
    ///
    /// The next page is requested when the items of the one before are used up.
    ///
    /// ```no_run
    /// # #[cfg(feature = "models")]
    /// # async fn run(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
    /// use openrouter_kit::models::ModelsListParams;
    ///
    /// let mut models = client.models().list().params(ModelsListParams::new().category("programming")).items();
    /// while let Some(model) = models.next().await {
    ///     println!("{}", model?.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn items(self) -> Items<T> {
        Items { pages: self.pages(), items: Vec::new().into_iter() }
    }
}

/// The pages of a list, as a [`futures_core::Stream`]; see [`Call::pages`].
///
/// ```no_run
/// # #[cfg(feature = "models")]
/// # async fn run(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
/// use futures_util::TryStreamExt;
///
/// let counts: Vec<usize> = client.models().list().pages().map_ok(|page| page.data.len()).try_collect().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent before the first page is asked for"]
pub struct Pages<T> {
    /// The request for the next page.
    draft: Box<Draft>,
    paging: Option<Paging>,
    position: Position,
    state: State<T>,
}

/// How much of the list was read.
struct Position {
    offset: u64,
    limit: Option<usize>,
    /// All cursors that were used.
    cursors: HashSet<String>,
    /// The body of the page before.
    last: Bytes,
    /// The length of the previous page, if it was shorter than the limit.
    length: Option<usize>,
}

enum State<T> {
    Next,
    Asking(CallWithResponse<T>),
    /// The list would never end, as the page that was returned last shows.
    Endless(Error),
    Over,
}

impl<T: Page> Pages<T> {
    /// Returns the next page; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Changes the request to the page after this one, and returns what to do next.
    fn turn(&mut self, page: &Response<T>) -> State<T> {
        let position = &mut self.position;
        let has_more = page.value.has_more();
        match self.paging {
            None => State::Over,
            Some(_) if has_more == Some(false) => State::Over,
            Some(Paging::Cursor(name)) => {
                let Some(cursor) = page.value.cursor().filter(|cursor| !cursor.is_empty()) else { return State::Over };
                if !position.cursors.insert(cursor.to_owned()) {
                    let message = "the server sent the same cursor twice, so the list would never end";
                    let error: Error =
                        UnexpectedError::status(self.draft.parts.operation().id(), page.status, message).into();
                    return State::Endless(error.of_function(self.draft.parts.operation().function()));
                }
                self.draft.parts.set_query(page.value.cursor_parameter().unwrap_or(name), cursor);
                State::Next
            }
            Some(Paging::Offset { default_limit }) => {
                let length = page.value.length();
                let is_short = has_more.is_none() && position.limit.is_some_and(|limit| length < limit);
                let default_limit = default_limit.and_then(|limit| usize::try_from(limit).ok());
                let may_be_capped = position.limit > default_limit;
                let is_shorter = position.length.is_some_and(|before| length < before);
                if length == 0 || is_short && (!may_be_capped || is_shorter) {
                    return State::Over;
                }
                position.length = is_short.then_some(length);
                position.last = page.body.clone();
                position.offset = position.offset.saturating_add(length as u64);
                self.draft.parts.set_query("offset", &position.offset.to_string());
                State::Next
            }
        }
    }

    /// Returns whether a page that is not empty arrived for the second time.
    fn is_repeated(&self, page: &Response<T>) -> bool {
        !self.position.last.is_empty() && page.body == self.position.last
    }
}

impl<T: Page> Stream for Pages<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let pages = &mut *self;
        let operation = pages.draft.parts.operation();
        let (id, function) = (operation.id(), operation.function());
        loop {
            match &mut pages.state {
                State::Over => return Poll::Ready(None),
                State::Endless(_) => {
                    let State::Endless(error) = std::mem::replace(&mut pages.state, State::Over) else { continue };
                    return Poll::Ready(Some(Err(error)));
                }
                State::Next if pages.paging.is_none() => {
                    pages.state = State::Over;
                    let invalid = Error::invalid(
                        "pages",
                        "and `items` are not available, since this operation is not paginated; await the call itself",
                    );
                    return Poll::Ready(Some(Err(invalid.of_operation(id).of_function(function))));
                }
                State::Next => {
                    pages.state = State::Asking(Call::from_draft(pages.draft.copy()).with_response());
                }
                State::Asking(page) => {
                    let page = ready!(Pin::new(page).poll(cx));
                    pages.state = State::Over;
                    let page = match page {
                        Ok(page) => page,
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    };
                    if pages.is_repeated(&page) {
                        if pages.position.length.is_some() {
                            // The server has only this page, whatever the offset is.
                            return Poll::Ready(None);
                        }
                        let message = "the server sent the same page twice, so the list would never end";
                        let error: Error = UnexpectedError::status(id, page.status, message).into();
                        return Poll::Ready(Some(Err(error.of_function(function))));
                    }
                    pages.state = pages.turn(&page);
                    return Poll::Ready(Some(Ok(page.value)));
                }
            }
        }
    }
}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("next", &self.draft.parts).field("paging", &self.paging).finish_non_exhaustive()
    }
}

/// The items of all pages of a list, as a [`futures_core::Stream`]; see [`Call::items`].
///
/// ```no_run
/// # #[cfg(feature = "models")]
/// # async fn run(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
/// use futures_util::{StreamExt, TryStreamExt};
///
/// // The second page is requested only if the first one has fewer than ten models.
/// let ten: Vec<_> = client.models().list().items().take(10).try_collect().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is sent before the first item is asked for"]
pub struct Items<T: Page> {
    pages: Pages<T>,
    items: std::vec::IntoIter<T::Item>,
}

impl<T: Page> Items<T> {
    /// Returns the next item; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<T::Item, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Reads the rest of the list.
    ///
    /// # Errors
    /// Returns the first error of a page, and drops the items before it.
    ///
    /// ```no_run
    /// # #[cfg(feature = "models")]
    /// # async fn run(client: openrouter_kit::OpenRouter) -> Result<(), openrouter_kit::Error> {
    /// let models = client.models().list().items().collect().await?;
    /// println!("{} models", models.len());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn collect(mut self) -> Result<Vec<T::Item>, Error> {
        let mut all = Vec::new();
        while let Some(item) = self.next().await {
            all.push(item?);
        }
        Ok(all)
    }
}

impl<T: Page> Unpin for Items<T> {}

impl<T: Page> Stream for Items<T> {
    type Item = Result<T::Item, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(item) = self.items.next() {
                return Poll::Ready(Some(Ok(item)));
            }
            match ready!(Pin::new(&mut self.pages).poll_next(cx)) {
                Some(Ok(page)) => self.items = page.into_items().into_iter(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<T: Page> fmt::Debug for Items<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").field("pages", &self.pages).finish_non_exhaustive()
    }
}

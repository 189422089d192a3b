//! Something in Haier's place that answers whatever a test wants it to.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Response, Uri},
};
use flate2::{Compress, Compression, FlushCompress, Status};
use haier_integration::domain::accounts::Account;
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};

/// What a catalogue is when nothing is wrong with it.
pub(super) const GOOD: &str = r#"[{"productCode":"A","productModel":"M-A","isSales":"1"},
    {"productCode":"B","isSales":1},{"productCode":"C","isSales":"0","noSalesReason":"停产"}]"#;

/// How an answer is made: a beginning, a piece so many times, and an end.
#[derive(Clone, Default)]
pub(super) struct Answer {
    pub(super) begin: Bytes,
    pub(super) piece: Bytes,
    pub(super) times: u64,
    pub(super) end: &'static str,
    pub(super) gzip: bool,
    /// Waited before each piece.
    pub(super) pause: Duration,
    pub(super) status: u16,
    pub(super) header: Option<(&'static str, &'static str)>,
}

impl Answer {
    pub(super) fn whole(body: impl Into<Vec<u8>>) -> Self {
        Self { begin: body.into().into(), status: 200, ..Self::default() }
    }

    pub(super) fn repeated(begin: &str, piece: impl Into<Vec<u8>>, times: u64) -> Self {
        Self { piece: piece.into().into(), times, ..Self::whole(begin) }
    }

    /// The same in gzip. Each piece is compressed by itself, so that gigabytes cost this process nothing.
    pub(super) fn gzipped(self) -> Self {
        let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
        let begin = [&head[..], &deflated(&self.begin)].concat().into();
        Self { begin, piece: deflated(&self.piece).into(), gzip: true, ..self }
    }
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::best(), false);
    let mut out = Vec::with_capacity(bytes.len() + 1_024);
    let status = compress.compress_vec(bytes, &mut out, FlushCompress::Full).unwrap();
    assert!(status == Status::Ok && compress.total_in() == bytes.len() as u64);
    out
}

pub(super) struct Peer {
    base_url: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    token: Mutex<String>,
    answer: Mutex<Answer>,
    /// Answers that are under way.
    open: AtomicUsize,
}

impl Peer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            token: Mutex::new("token-of-the-peer".to_owned()),
            answer: Mutex::new(Answer::whole(GOOD)),
            open: AtomicUsize::new(0),
        });
        let router = Router::new().fallback({
            let state = Arc::clone(&state);
            move |uri: Uri| {
                let state = Arc::clone(&state);
                async move { state.answer(&uri) }
            }
        });
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base_url, state, task }
    }

    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// An account there, and nowhere else.
    pub(super) fn account(&self, like: Account) -> Account {
        let token_url = format!("{}/oauth2/auth", self.base_url);
        Account { base_url: self.base_url.clone(), token_url, ylh: None, ..like }
    }

    pub(super) fn set_token(&self, token: impl Into<String>) {
        *self.state.token.lock().unwrap() = token.into();
    }

    pub(super) fn set(&self, answer: Answer) {
        *self.state.answer.lock().unwrap() = answer;
    }

    pub(super) fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Counts an answer for as long as it is being sent.
struct Open(Arc<State>);

impl Open {
    fn new(state: &Arc<State>) -> Self {
        state.open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(state))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl State {
    fn answer(self: &Arc<Self>, uri: &Uri) -> Response<Body> {
        if uri.path().contains("oauth2") {
            let token = json!({ "access_token": *self.token.lock().unwrap(), "expires_in": 3_600 });
            return Response::new(token.to_string().into());
        }
        let answer = self.answer.lock().unwrap().clone();
        let mut response = Response::builder().status(answer.status);
        if answer.gzip {
            response = response.header("content-encoding", "gzip");
        }
        if let Some((name, value)) = answer.header {
            response = response.header(name, value);
        }
        let open = Open::new(self);
        let body = async_stream::stream! {
            let _open = open;
            yield Ok::<_, Infallible>(answer.begin);
            for _ in 0..answer.times {
                if !answer.pause.is_zero() {
                    tokio::time::sleep(answer.pause).await;
                }
                yield Ok(answer.piece.clone());
            }
            yield Ok(answer.end.into());
        };
        response.body(Body::from_stream(body)).unwrap()
    }
}

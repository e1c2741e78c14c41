//! Following a sandbox that is written to all the while.

use std::cell::RefCell;
use std::os::unix::fs::MetadataExt as _;

use tokio::net::TcpListener;

use super::*;

/// What one follower was told, and its end.
struct Follower<'a> {
    rig: &'a Rig,
    following: Following,
    listener: RefCell<Option<TcpListener>>,
    stop: Stop,
    warnings: RefCell<Vec<String>>,
    sealed: RefCell<Vec<Outcome>>,
}

/// Waits until it is so; a test that waits too long fails.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(120), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl<'a> Follower<'a> {
    async fn of(rig: &'a Rig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let mut following = Following::new(url, rig.sandbox.key().into());
        following.settle = Duration::from_millis(50);
        following.every = Duration::from_millis(200);
        Self {
            rig,
            following,
            listener: RefCell::new(Some(listener)),
            stop: Stop::new(),
            warnings: RefCell::default(),
            sealed: RefCell::default(),
        }
    }

    async fn go(&self) -> Result<Followed, BackupError> {
        let backup = self.rig.backup();
        let _lock = backup.lock().unwrap();
        let listener = self.listener.take().unwrap();
        let tell = |progress: Progress<'_>| match progress {
            Progress::Warning(text) => self.warnings.borrow_mut().push(text.to_owned()),
            Progress::Sealed(outcome) => self.sealed.borrow_mut().push(outcome.clone()),
            _ => {}
        };
        follow(&backup, &self.rig.client, &Options::default(), &self.following, listener, &self.stop, &tell).await
    }

    /// Follows while the script goes on, and is then stopped in order.
    async fn during(&self, script: impl Future<Output = ()>) -> Followed {
        let script = async {
            script.await;
            self.stop.ask();
        };
        tokio::join!(self.go(), script).0.unwrap()
    }

    /// Follows while the script goes on, and is then gone from one moment to the next.
    async fn until_killed(&self, script: impl Future<Output = ()>) {
        tokio::select! {
            ended = self.go() => panic!("{ended:?}"),
            () = script => {}
        }
    }

    async fn sealed(&self, count: usize) {
        until("sealed", || self.sealed.borrow().len() >= count).await;
    }

    fn warned(&self, of: &str) -> bool {
        self.warnings.borrow().iter().any(|text| text.contains(of))
    }

    async fn ticks(&self) {
        let lists = || self.rig.requests().get("GET /conversations").copied().unwrap_or_default();
        let before = lists();
        until("listed", || lists() >= before + 3).await;
    }
}

impl Rig {
    fn hooks(&self) -> Vec<String> {
        let hooks = self.sandbox.state()["webhooks"].as_array().unwrap().clone();
        hooks.iter().map(|hook| hook["url"].as_str().unwrap().to_owned()).collect()
    }

    /// Whether the newest snapshot holds what the sandbox holds, of conversations and customers.
    fn has_caught_up(&self) -> bool {
        let digests = |rows: Vec<Value>| rows.iter().map(digest::whole).collect::<Vec<_>>();
        let Ok(snapshot) = self.backup().snapshot("latest") else { return false };
        let stored = |rows: read::Rows| rows.map(|row| row.map(|row| row.raw)).collect::<Result<Vec<_>, _>>();
        // It may be thinned away while it is read.
        let (Ok(conversations), Ok(customers)) =
            (stored(snapshot.conversations().unwrap()), stored(snapshot.customers().unwrap()))
        else {
            return false;
        };
        digests(conversations) == digests(self.sandbox.conversations())
            && digests(customers) == digests(self.sandbox.customers())
    }
}

fn link_of(rig: &Rig, file: &str) -> u64 {
    let snapshot = rig.backup().snapshot("latest").unwrap();
    std::fs::metadata(snapshot.dir().join(file)).unwrap().ino()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_following_is_copied_and_a_quiet_time_seals_nothing() {
    let rig = Rig::with(12).await;
    let follower = Follower::of(&rig).await;
    let followed = follower
        .during(async {
            follower.sealed(1).await;
            assert_eq!(rig.hooks().len(), 1);
            let customers = link_of(&rig, "customers/00000000.jsonl");
            rig.http.reply(3, "<p>One more</p>").await;
            rig.http.create(3).await;
            rig.http.send("DELETE", "/conversations/5", json!(null)).await;
            until("caught up", || rig.has_caught_up()).await;
            assert_eq!(link_of(&rig, "customers/00000000.jsonl"), customers, "unchanged files are shared");
            rig.http.send("POST", "/customers", json!({"firstName": "Eve", "email": "eve@example.net"})).await;
            until("caught up", || rig.has_caught_up()).await;

            let names = rig.backup().names().unwrap();
            follower.ticks().await;
            assert_eq!(rig.backup().names().unwrap(), names, "nothing changed, nothing sealed");
        })
        .await;
    assert_eq!(rig.hooks(), Vec::<String>::new());
    assert!(followed.calls.signed >= 4 && followed.calls.wrongly_signed == 0, "{:?}", followed.calls);
    assert_eq!(*follower.warnings.borrow(), Vec::<String>::new());
    for outcome in &*follower.sealed.borrow() {
        let changes = &outcome.changes;
        assert!(outcome.read >= changes.added + changes.changed, "what calls named counts as read: {outcome:?}");
    }
    let snapshot = rig.backup().snapshot("latest").unwrap();
    assert!(snapshot.manifest().followed && snapshot.manifest().previous.is_some());
    assert!(verify(&rig.backup(), Sample::All, |_, _| std::ops::ControlFlow::Continue(())).unwrap().faults.is_empty());
    // A night after it asks for lists alone: everything is known.
    let before = rig.requests();
    rig.night().await;
    assert_eq!(since(&before, &rig.requests()).get("GET /conversations/{id}"), None);
    rig.is_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_follower_leaves_a_webhook_that_the_next_run_removes_and_goes_on() {
    let rig = Rig::with(10).await;
    let killed = Follower::of(&rig).await;
    killed
        .until_killed(async {
            killed.sealed(1).await;
            rig.http.reply(2, "<p>Before the end</p>").await;
            killed.ticks().await;
            rig.http.create(40).await;
        })
        .await;
    let left = rig.hooks();
    assert_eq!(left.len(), 1);
    rig.http.send("DELETE", "/conversations/7", json!(null)).await;

    let second = Follower::of(&rig).await;
    second
        .during(async {
            until("caught up", || rig.has_caught_up()).await;
            assert!(rig.hooks().len() == 1 && rig.hooks() != left, "{:?}", rig.hooks());
        })
        .await;
    assert_eq!(rig.hooks(), Vec::<String>::new());

    let third = Follower::of(&rig).await;
    third.until_killed(third.sealed(1)).await;
    assert_eq!(rig.hooks().len(), 1);
    remove_left(&rig.backup(), &rig.client, &|_| {}).await.unwrap();
    assert_eq!(rig.hooks(), Vec::<String>::new());
    rig.night().await;
    rig.is_equal();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_whose_creation_was_never_answered_is_named_with_its_address() {
    let rig = Rig::with(3).await;
    rig.sandbox.set_faults(vec!["lose-answer@POST /webhooks*1".parse().unwrap()]);
    let follower = Follower::of(&rig).await;
    follower
        .during(async {
            follower.sealed(1).await;
            assert_eq!(rig.hooks().len(), 2);
            assert!(follower.warned(&rig.hooks()[0]) && !follower.warned(&rig.hooks()[1]));
            rig.http.reply(1, "<p>Twice told</p>").await;
            until("told of the other", || follower.warned("did not make calls too")).await;
            until("caught up", || rig.has_caught_up()).await;
        })
        .await;
    let left = rig.hooks();
    assert_eq!(left.len(), 1, "nobody knows its id");
    let told = RefCell::new(String::new());
    let tell = |progress: Progress<'_>| {
        if let Progress::Warning(text) = progress {
            told.borrow_mut().push_str(text);
        }
    };
    remove_left(&rig.backup(), &rig.client, &tell).await.unwrap();
    assert!(told.borrow().contains(&left[0]), "{}", told.borrow());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_call_tells_of_is_found_by_lists() {
    let rig = Rig::with(6).await;
    let mut follower = Follower::of(&rig).await;
    // Nobody hears there.
    follower.following.public_url = "http://127.0.0.1:1/".to_owned();
    follower
        .during(async {
            follower.sealed(1).await;
            rig.http.reply(2, "<p>Not called for</p>").await;
            until("caught up", || rig.has_caught_up()).await;
        })
        .await;

    let mut follower = Follower::of(&rig).await;
    follower.following.public_url = "http://127.0.0.1:1/".to_owned();
    follower.following.list_every = Duration::from_millis(600);
    let followed = follower
        .during(async {
            follower.sealed(1).await;
            // Neither a call nor a time tells of these.
            rig.http.send("PUT", "/conversations/3/tags", json!({"tags": ["vip"]})).await;
            rig.http.send("DELETE", "/conversations/4", json!(null)).await;
            until("caught up", || rig.has_caught_up()).await;
        })
        .await;
    assert_eq!(followed.calls, Tally::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_under_another_secret_are_ignored_and_told_of() {
    let rig = Rig::with(3).await;
    let mut follower = Follower::of(&rig).await;
    follower.following.secret = "not-the-secret".into();
    let followed = follower
        .during(async {
            follower.sealed(1).await;
            rig.http.reply(1, "<p>Signed otherwise</p>").await;
            until("told", || follower.warned("signature does not fit")).await;
            until("caught up", || rig.has_caught_up()).await;
        })
        .await;
    assert!(followed.calls.signed == 0 && followed.calls.wrongly_signed > 0, "{:?}", followed.calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freescout_that_fails_for_a_while_is_waited_for() {
    let rig = Rig::with(3).await;
    let follower = Follower::of(&rig).await;
    follower
        .during(async {
            follower.sealed(1).await;
            rig.sandbox.set_faults(vec!["500-before@GET /conversations".parse().unwrap()]);
            until("told", || follower.warned("cannot be read now")).await;
            rig.sandbox.set_faults(Vec::new());
            rig.http.reply(1, "<p>Afterwards</p>").await;
            until("caught up", || rig.has_caught_up()).await;
        })
        .await;
    assert_eq!(rig.hooks(), Vec::<String>::new());
}

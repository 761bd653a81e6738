//! The flow editor: forms and text of one draft, by one person or by two.

use serde_json::json;

use crate::house::House;
use crate::wire::{Ask, Reply};

use super::{Session, at, browser::Browser, lines::line, open, sign_in};

/// An editor at work on one flow.
struct Editor<'a> {
    house: &'a House,
    session: Session,
    /// The flow's page.
    page: String,
}

impl<'a> Editor<'a> {
    async fn begin(house: &'a House) -> Self {
        Self::begin_as(house, "office").await
    }

    async fn begin_as(house: &'a House, name: &str) -> Self {
        let session = Session::open(house, &[]).await;
        assert_eq!(house.ask(&session.form("/console/flows", &[("name", name)])).await.status, 303);
        Self { house, session, page: format!("/console/flows/{name}") }
    }

    async fn get(&self, path: &str) -> Reply {
        self.session.get(self.house, &format!("{}{path}", self.page)).await
    }

    /// The mark of the draft as a page has it now.
    async fn seen(&self) -> String {
        let page = self.get("/text").await;
        let mark = page.text().split("name=\"seen\" value=\"").nth(1).unwrap();
        mark.split('"').next().unwrap().to_owned()
    }

    /// Sends a form that was made of the draft as it is.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let seen = self.seen().await;
        self.post_seen(&seen, path, fields).await
    }

    async fn post_seen(&self, seen: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
        let fields = [&[("seen", seen)], fields].concat();
        self.house.ask(&self.session.form(&format!("{}{path}", self.page), &fields)).await
    }

    /// The same, which must be kept; where the browser goes on to.
    async fn keep(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let reply = self.post(path, fields).await;
        assert_eq!(reply.status, 303, "{path} {fields:?}: {}", reply.text());
        reply.header("location").unwrap().to_owned()
    }

    /// The draft as text.
    async fn text(&self) -> String {
        let page = self.get("/text").await;
        let text = page.text().split("name=\"toml\"").nth(1).unwrap().split_once('>').unwrap().1;
        let text = text.split("</textarea>").next().unwrap().trim_start_matches('\n');
        text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    }
}

/// Pages of the editor: of a flow with a bit of everything, and of a draft with faults.
pub(super) async fn pages(house: &House) -> Vec<String> {
    let editor = Editor::begin(house).await;
    editor.keep("/text", &[("toml", include_str!("../../../examples/flows/office.toml"))]).await;
    editor.keep("", &[("which", "version")]).await;
    editor.keep("/add", &[("do", "agent"), ("name", "helper")]).await;
    editor
        .keep(
            "/edit/steps.menu",
            &[("text", ""), ("wait", "99"), ("choose.0.key", "x y!"), ("choose.0.to", "gone")],
        )
        .await;
    editor
        .keep(
            "/edit/steps.in",
            &[("when.0.open", "gone"), ("when.0.seen", "often"), ("when.0.go", ""), ("else", "")],
        )
        .await;
    let paths = [
        "",
        "?number=1",
        "/text",
        "/edit/start",
        "/edit/people",
        "/edit/hours.office",
        "/edit/steps.menu",
        "/edit/steps.in",
        "/edit/steps.bookings",
        "/edit/steps.helper",
        "/steps/menu",
    ];
    let whole = Editor::begin_as(house, "whole").await;
    whole.keep("/text", &[("toml", include_str!("../../../examples/flows/office.toml"))]).await;
    let faulty = paths.into_iter().map(|path| format!("/console/flows/office{path}"));
    faulty.chain([whole.page.clone(), format!("{}/edit/steps.menu", whole.page)]).collect()
}

/// A kind of step, the fields of its form, and what the document then says.
type Written = (&'static str, &'static [(&'static str, &'static str)], &'static str);

/// For each kind of step: every field of its form, and what the document then says.
const STEPS: [Written; 9] = [
    (
        "say",
        &[("text", "Hello, {caller.name|there}."), ("pause", "2"), ("next", "end")],
        "text = \"Hello, {caller.name|there}.\"\npause = 2\nnext = \"end\"\n",
    ),
    (
        "say",
        &[("play", "https://audio.example/a.mp3"), ("pause", "")],
        "play = \"https://audio.example/a.mp3\"\n",
    ),
    (
        "ask",
        &[
            ("text", "Press 1,\r\nor say sales."),
            ("digits", "1"),
            ("speech", "yes"),
            ("hints", "sales\r\n\r\n help "),
            ("wait", "10"),
            ("tries", "3"),
            ("as", "wish"),
            ("choose.0.key", "1"),
            ("choose.0.to", "end"),
            ("choose.1.key", ""),
            ("choose.1.to", ""),
            ("choose.2.key", "sales"),
            ("choose.2.to", "end"),
            ("next", "end"),
            ("none", "end"),
        ],
        "text = \"Press 1,\\nor say sales.\"\nspeech = true\nhints = [\"sales\", \"help\"]\nwait = 10\ntries = 3\nas = \"wish\"\nchoose.1 = \"end\"\nchoose.sales = \"end\"\nnext = \"end\"\nnone = \"end\"\n",
    ),
    (
        "route",
        &[
            ("when.0.open", "office"),
            ("when.0.caller", "tag:vip"),
            ("when.0.attest", "A"),
            ("when.0.has", "forward"),
            ("when.0.seen", ">= 2"),
            ("when.0.calls_today", "< 3"),
            ("when.0.go", "end"),
            ("when.1.closed", "office"),
            ("when.1.says", "hours\nopen"),
            ("when.1.go", "end"),
            ("when.2.says", "sales"),
            ("when.2.var.0.key", "wish"),
            ("when.2.var.0.to", "sales"),
            ("when.2.go", "end"),
            ("else", "end"),
        ],
        "when = [\n  { if = { open = \"office\", caller = \"tag:vip\", attest = \"A\", has = \"forward\", seen = \">= 2\", calls_today = \"< 3\" }, go = \"end\" },\n  { if = { closed = \"office\", says = [\"hours\", \"open\"] }, go = \"end\" },\n  { if = { says = \"sales\", var = { wish = \"sales\" } }, go = \"end\" },\n]\nelse = \"end\"\n",
    ),
    (
        "ring",
        &[
            ("to", "ada\n+14155550142"),
            ("order", "all"),
            ("seconds", "25"),
            ("show", "caller"),
            ("limit", "600"),
            ("answered", "end"),
            ("missed", "end"),
        ],
        "to = [\"ada\", \"+14155550142\"]\norder = \"all\"\nseconds = 25\nscreen = false\nshow = \"caller\"\nlimit = 600\nanswered = \"end\"\nmissed = \"end\"\n",
    ),
    (
        "voicemail",
        &[("text", "Speak."), ("max", "60"), ("transcribe", "yes"), ("next", "end")],
        "text = \"Speak.\"\nmax = 60\ntranscribe = true\nnext = \"end\"\n",
    ),
    (
        "agent",
        &[
            ("mode", "turns"),
            ("url", "https://agent.example/turn"),
            ("greet", "Hello."),
            ("limit", "300"),
            ("may_ring", "ada"),
            ("done", "end"),
            ("failed", "end"),
        ],
        "mode = \"turns\"\nurl = \"https://agent.example/turn\"\ngreet = \"Hello.\"\nlimit = 300\ndisclose = false\nmay_ring = [\"ada\"]\ndone = \"end\"\nfailed = \"end\"\n",
    ),
    (
        "text",
        &[("body", "Thanks."), ("once", "day"), ("next", "end")],
        "body = \"Thanks.\"\nonce = \"day\"\nnext = \"end\"\n",
    ),
    ("end", &[("text", "Bye."), ("how", "hangup")], "text = \"Bye.\"\n"),
];

#[tokio::test]
async fn every_field_of_every_step_is_written_by_its_form() {
    let house = open().await;
    let editor = Editor::begin(&house).await;
    let empty = editor.get("").await;
    assert!(empty.text().contains("What happens first when somebody calls?"), "{}", empty.text());
    assert_eq!(
        editor.keep("/add", &[("do", "end"), ("name", "end")]).await,
        "/console/flows/office/edit/steps.end"
    );
    for (number, (kind, fields, expected)) in STEPS.iter().enumerate() {
        let name = format!("step-{number}");
        let form = editor.keep("/add", &[("do", kind), ("name", &name)]).await;
        assert_eq!(form, format!("/console/flows/office/edit/steps.{name}"));
        let form = form.strip_prefix("/console/flows/office").unwrap();
        let shown = editor.get(form).await;
        assert_eq!(shown.status, 200);
        for (field, _) in *fields {
            // Further rows are there once the ones before are filled in.
            let row = field.contains(".2.") || field.contains(".1.");
            assert!(row || shown.text().contains(&format!("name=\"{field}\"")), "{kind} has no {field}");
        }
        assert_eq!(editor.keep(form, fields).await, format!("/console/flows/office{form}"));
        let text = editor.text().await;
        let written = format!("[steps.{name}]\ndo = \"{kind}\"\n{expected}");
        assert!(text.contains(&written), "{written}\n{text}");
        // And once more as the form shows it then: nothing is lost, nothing added.
        let again: Vec<(String, String)> = typed(editor.get(form).await.text());
        let again: Vec<(&str, &str)> =
            again.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        editor.keep(form, &again).await;
        assert_eq!(editor.text().await, text, "{kind}");
    }
    house.close().await;
}

/// The fields of a page's form, as a browser would send them.
fn typed(page: &str) -> Vec<(String, String)> {
    let form = page.split("<form class=\"editor\"").nth(1).unwrap().split("</form>").next().unwrap();
    let value = |tag: &str, name: &str| {
        let from = tag.split(&format!(" {name}=\"")).nth(1)?;
        let value = from.split('"').next()?;
        Some(value.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    };
    let mut found = Vec::new();
    for tag in form.split('<') {
        let Some(name) = value(tag, "name")
            .filter(|name| !["form", "seen", "more", "up", "remove"].contains(&name.as_str()))
        else {
            if tag.starts_with("option") && tag.contains(" selected") {
                let (_, last): &mut (String, String) = found.last_mut().unwrap();
                *last = value(tag, "value").unwrap();
            }
            continue;
        };
        if tag.starts_with("input") {
            if !tag.contains("checkbox") || tag.contains(" checked") {
                found.push((name, value(tag, "value").unwrap_or_default()));
            }
        } else if tag.starts_with("textarea") {
            let text = tag.split_once('>').unwrap().1.trim_start_matches('\n');
            found.push((name, text.replace("&quot;", "\"").replace("&gt;", ">").replace("&amp;", "&")));
        } else if tag.starts_with("select") {
            found.push((name, String::new()));
        }
    }
    found
}

#[tokio::test]
async fn beginning_people_and_hours_have_forms() {
    let house = open().await;
    let editor = Editor::begin(&house).await;
    editor.keep("/add", &[("do", "voicemail"), ("name", "vm")]).await;
    editor.keep("/edit/steps.vm", &[("text", "Speak."), ("max", "120")]).await;
    editor.keep("/add", &[("name", "office")]).await;
    let week = [
        ("open.mon", "09:00-12:00, 13:00-17:00"),
        ("open.tue", "09:00-12:00,13:00-17:00"),
        ("open.sat", "20:00-02:00"),
    ];
    let hours = [&[("zone", "Europe/Berlin"), ("closed", "2026-12-25")], &week[..]].concat();
    editor.keep("/edit/hours.office", &hours).await;
    editor.keep("/edit/people", &[("people.0.key", "ada"), ("people.0.to", "+14155550142")]).await;
    // A way to a step that is not there yet makes it, and goes on to its form.
    let new = editor.keep("/edit/start", &[("call", "vm"), ("sms", "new:text"), ("missed", "")]).await;
    assert_eq!(new, "/console/flows/office/edit/steps.text");
    editor.keep("/edit/steps.text", &[("body", "Thanks."), ("once", "call")]).await;
    assert_eq!(
        editor.text().await,
        "schema = 1\nstart = { call = \"vm\", sms = \"text\" }\n\n[hours.office]\nzone = \"Europe/Berlin\"\nopen = [\"mon-tue 09:00-12:00\", \"mon-tue 13:00-17:00\", \"sat 20:00-02:00\"]\nclosed = [\"2026-12-25\"]\n\n[people]\nada = \"+14155550142\"\n\n[steps.text]\ndo = \"text\"\nbody = \"Thanks.\"\n\n[steps.vm]\ndo = \"voicemail\"\ntext = \"Speak.\"\n"
    );
    let page = editor.get("/edit/steps.vm").await.text().to_owned();
    assert!(
        page.contains("&lt;Record") && page.contains("&lt;Speak ") && page.contains("&lt;Say"),
        "both documents: {page}"
    );
    let wrong = editor
        .post("/edit/hours.office", &[("zone", "Mars"), ("open.mon", "9-17"), ("closed", "Christmas")])
        .await;
    let wrong = (wrong.status, wrong.text().to_owned());
    assert_eq!(wrong.0, 422);
    for told in [
        "<code>Mars</code> is no IANA time zone",
        "<code>mon</code>",
        "<code>[0]</code>",
        "value=\"9-17\"",
        "Christmas",
    ] {
        assert!(wrong.1.contains(told), "{told}: {}", wrong.1);
    }
    editor.keep("/edit/hours.office", &[("remove", "yes")]).await;
    assert!(!editor.text().await.contains("[hours"));
    editor.keep("/edit/providers", &[("providers", "twilio")]).await;
    assert!(editor.text().await.contains("providers = [\"twilio\"]"));
    assert!(!editor.get("/edit/steps.vm").await.text().contains("&lt;Speak"), "of one carrier alone");
    editor.keep("/edit/providers", &[("providers", "")]).await;
    assert!(!editor.text().await.contains("providers"));
    house.close().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_at_its_field_and_nothing_typed_is_lost() {
    let house = open().await;
    let editor = Editor::begin(&house).await;
    editor.keep("/add", &[("do", "ask"), ("name", "menu")]).await;
    let before = editor.text().await;
    let form = [
        ("text", "A <b>question</b>?"),
        ("wait", "soon"),
        ("digits", "70000"),
        ("choose.0.key", "1"),
        ("choose.0.to", "new:end"),
        ("choose.1.key", "1"),
        ("choose.1.to", "menu"),
    ];
    let wrong = editor.post("/edit/steps.menu", &form).await;
    assert_eq!(wrong.status, 422);
    let page = wrong.text();
    for told in [
        "3 faults",
        "id=\"fault-wait\"",
        "is no whole number from 5 to 60",
        "id=\"fault-digits\"",
        "id=\"fault-choose\"",
        "stands there twice",
        "A &lt;b&gt;question&lt;/b&gt;?",
        "value=\"soon\"",
        "value=\"70000\"",
        "value=\"new:end\" selected",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert_eq!(editor.text().await, before, "nothing is kept of it");
    // What can be read is kept, and told until it is mended; then a version can be made.
    let form = [("text", "A <b>question</b>?"), ("wait", "99"), ("next", "gone")];
    editor.keep("/edit/steps.menu", &form).await;
    let page = editor.get("/edit/steps.menu").await.text().to_owned();
    for told in [
        "id=\"fault-text\"",
        "markup would be read out",
        "id=\"fault-wait\"",
        "is 99, and must be 5 to 60",
        "id=\"fault-next\"",
        "there is no step <code>gone</code>",
        "gone (not there)",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let refused = editor.post("", &[("which", "version")]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("edit/steps.menu#wait"), "{}", refused.text());
    // More rows and another order change nothing yet, or at once.
    let more = editor.post("/edit/steps.menu", &[("text", "x"), ("more", "choose")]).await;
    assert!((more.status, more.text().contains("name=\"choose.4.key\"")) == (200, true), "{}", more.text());
    house.close().await;
}

#[tokio::test]
async fn steps_are_renamed_copied_moved_and_deleted_with_their_ways() {
    let house = open().await;
    let editor = Editor::begin(&house).await;
    editor.keep("/add", &[("do", "say"), ("name", "hello")]).await;
    let next = editor.keep("/edit/steps.hello", &[("text", "Hello."), ("next", "new:route")]).await;
    assert_eq!(next, "/console/flows/office/edit/steps.route");
    editor
        .keep(
            "/edit/steps.route",
            &[
                ("when.0.has", "agent"),
                ("when.0.go", "new:end"),
                ("when.1.has", "forward"),
                ("when.1.go", "hello"),
                ("else", "new:voicemail"),
            ],
        )
        .await;
    let swap = [
        ("when.0.has", "agent"),
        ("when.0.go", "end"),
        ("when.1.seen", ">= 2"),
        ("when.1.go", "voicemail"),
        ("else", "voicemail"),
        ("up", "1"),
    ];
    editor.keep("/edit/steps.route", &swap).await;
    editor.keep("/edit/steps.voicemail", &[("text", "Speak.")]).await;
    let text = editor.text().await;
    assert!(text.contains("  { if = { seen = \">= 2\" }, go = \"voicemail\" },\n  { if = { has = \"agent\" }, go = \"end\" },"), "{text}");

    assert_eq!(
        editor.keep("/steps/route", &[("which", "rename"), ("name", "which")]).await,
        "/console/flows/office/edit/steps.which"
    );
    assert!(editor.text().await.contains("next = \"which\""));
    let taken = editor.post("/steps/which", &[("which", "rename"), ("name", "hello")]).await;
    assert!((taken.status, taken.text().contains("is taken")) == (422, true), "{}", taken.text());
    editor.keep("/steps/voicemail", &[("which", "duplicate")]).await;
    assert!(editor.text().await.contains("[steps.voicemail-2]\ndo = \"voicemail\"\ntext = \"Speak.\""));

    // What would dangle is shown before.
    let plan = editor.get("/steps/voicemail").await.text().to_owned();
    assert!(
        plan.contains("steps.which.when[0].go")
            && plan.contains("steps.which.else")
            && plan.contains("Needed"),
        "{plan}"
    );
    editor.keep("/steps/voicemail", &[("which", "delete"), ("instead", "voicemail-2")]).await;
    assert!(editor.text().await.contains("else = \"voicemail-2\""));
    editor.keep("/steps/voicemail-2", &[("which", "delete"), ("instead", "")]).await;
    let page = editor.get("").await.text().to_owned();
    assert!(
        page.contains("there is no step <code>voicemail-2</code>") && page.contains("To be mended"),
        "{page}"
    );
    editor.keep("/draft", &[("which", "undo")]).await;
    assert!(!editor.get("").await.text().contains("To be mended"));
    // A step that is said twice: behind itself it cannot be.
    editor.keep("/steps/hello", &[("which", "move"), ("behind", "voicemail-2")]).await;
    let text = editor.text().await;
    assert!(
        text.contains("start = { call = \"which\" }") && text.contains("text = \"Speak.\"\nnext = \"hello\""),
        "{text}"
    );
    assert_eq!(editor.get("/steps/nothing").await.status, 404);
    assert_eq!(editor.get("/edit/steps.nothing").await.status, 404);
    assert_eq!(editor.get("/edit/nothing").await.status, 404);
    house.close().await;
}

#[tokio::test]
async fn two_editors_do_not_write_over_each_other_unseen() {
    let house = open().await;
    let one = Editor::begin(&house).await;
    let other = Editor::begin(&house).await;
    one.keep("/add", &[("do", "voicemail"), ("name", "vm")]).await;
    let seen = one.seen().await;
    other.keep("/edit/steps.vm", &[("text", "Theirs."), ("max", "60")]).await;
    let refused = one.post_seen(&seen, "/edit/steps.vm", &[("text", "Mine."), ("max", "60")]).await;
    assert_eq!(refused.status, 409);
    let page = refused.text().to_owned();
    for told in [
        "has changed this draft since you opened it",
        "- &quot;Theirs.&quot;",
        "+ &quot;Mine.&quot;",
        "Mine.</textarea>",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert!(one.text().await.contains("Theirs."));
    // The same as text, and for whatever else is done.
    let text = one
        .post_seen(
            &seen,
            "/text",
            &[(
                "toml",
                "schema = 1\nstart = { call = \"vm\" }\n[steps.vm]\ndo = \"voicemail\"\ntext = \"Mine.\"\n",
            )],
        )
        .await;
    assert!((text.status, text.text().contains("- &quot;Theirs.&quot;")) == (409, true), "{}", text.text());
    for (path, fields) in [
        ("/draft", &[("which", "discard")][..]),
        ("/steps/vm", &[("which", "duplicate")]),
        ("/add", &[("do", "end"), ("name", "x")]),
        ("", &[("which", "version")]),
    ] {
        assert_eq!(one.post_seen(&seen, path, fields).await.status, 409, "{path}");
    }
    // Having seen theirs, one may put mine over it.
    let again = page.split("name=\"seen\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(one.post_seen(again, "/edit/steps.vm", &[("text", "Mine."), ("max", "60")]).await.status, 303);
    assert!(other.text().await.contains("Mine."));
    house.close().await;
}

#[tokio::test]
async fn text_and_forms_are_one_draft() {
    let house = open().await;
    let editor = Editor::begin(&house).await;
    // It cannot be read yet, and is kept all the same.
    let broken = editor.post("/text", &[("toml", "schema = 1\nstart = ")]).await;
    assert!((broken.status, broken.text().contains("line 2, column 9")) == (422, true), "{}", broken.text());
    assert_eq!(editor.text().await, "schema = 1\nstart = ");
    let sent = editor.get("/edit/start").await;
    assert_eq!((sent.status, sent.header("location")), (303, Some("/console/flows/office/text")));
    assert!(editor.get("").await.text().contains("line 2, column 9"));
    // Comments stay until a form would lose them, and that is told before.
    let noted = "schema = 1 # ours\r\nstart = { call = \"vm\" }\r\n[steps.vm]\r\ndo = \"voicemail\"\r\ntext = \"Speak. # no comment\"\r\n";
    editor.keep("/text", &[("toml", noted)]).await;
    assert_eq!(editor.text().await, noted.replace("\r\n", "\n"));
    let form = editor.get("/edit/steps.vm").await.text().to_owned();
    assert!(
        form.contains("The text has 1 comment") && form.contains("Speak. # no comment</textarea>"),
        "{form}"
    );
    editor.keep("/edit/steps.vm", &[("text", "Speak now.")]).await;
    let text =
        "schema = 1\nstart = { call = \"vm\" }\n\n[steps.vm]\ndo = \"voicemail\"\ntext = \"Speak now.\"\n";
    assert_eq!(editor.text().await, text);
    assert!(!editor.get("/edit/steps.vm").await.text().contains("comment"));
    // A version ends the draft; what comes after it begins from there.
    editor.keep("", &[("which", "version")]).await;
    let drafts: i64 =
        sqlx::query_scalar("SELECT count(*) FROM flow_drafts").fetch_one(&house.db).await.unwrap();
    assert_eq!((drafts, editor.text().await.as_str()), (0, text));
    editor.keep("/edit/steps.vm", &[("text", "Speak later.")]).await;
    let page = editor.get("").await.text().to_owned();
    assert!(page.contains("Not a version yet") && page.contains("+ &quot;Speak later.&quot;"), "{page}");
    // Another makes a version meanwhile.
    let push = editor
        .house
        .ask(&editor.session.form("/console/flows/office", &[("toml", &text.replace("now", "up"))]))
        .await;
    assert_eq!(push.status, 303);
    assert!(editor.get("").await.text().contains("while this draft was written"));
    editor.keep("/draft", &[("which", "discard")]).await;
    assert!(editor.text().await.contains("Speak up."));
    // An old version can be gone back to.
    let old = editor.get("?number=1&with=2").await.text().to_owned();
    assert!(old.contains("Make the draft this") && old.contains("From 2 to this one"), "{old}");
    // Something that no form can hold is told before it is lost.
    let odd = text.replace(
        "do = \"voicemail\"\ntext = \"Speak now.\"",
        "do = \"ask\"\ntext = \"?\"\nhints = [\"a\\nb\"]\nnext = \"vm\"",
    );
    editor.keep("/text", &[("toml", &odd)]).await;
    assert!(editor.get("/edit/steps.vm").await.text().contains("fits into no form"));
    house.close().await;
}

#[tokio::test]
async fn a_draft_is_for_who_may_see_and_change_it() {
    let house = open().await;
    let editor = Editor::begin(&house).await;
    editor.keep("/add", &[("do", "ring"), ("name", "team")]).await;
    editor.keep("/edit/steps.team", &[("to", "+14155550142"), ("screen", "yes")]).await;
    let viewer = Session::open(&house, &["read"]).await;
    let page = viewer.get(&house, "/console/flows/office").await;
    assert_eq!(page.status, 200);
    assert!(
        page.text().contains("team")
            && !page.text().contains("4155550142")
            && !page.text().contains("/add\""),
        "{}",
        page.text()
    );
    for path in ["/text", "/edit/steps.team", "/steps/team"] {
        assert_eq!(viewer.get(&house, &format!("/console/flows/office{path}")).await.status, 403, "{path}");
    }
    for path in ["/text", "/edit/steps.team", "/steps/team", "/add", "/draft", ""] {
        let form = viewer.form(&format!("/console/flows/office{path}"), &[("which", "undo")]);
        assert_eq!(house.ask(&form).await.status, 403, "{path}");
    }
    // Who may see and not change is shown the form, and no button.
    let reader = Session::open(&house, &["read", "pii:read"]).await;
    let page = reader.get(&house, "/console/flows/office/edit/steps.team").await;
    assert!(
        page.status == 200
            && page.text().contains("To be read only")
            && !page.text().contains("Save the draft"),
        "{}",
        page.text()
    );
    let unproven = Ask::post("/console/flows/office/edit/steps.team")
        .form(&[("to", "")])
        .header("Cookie", &editor.session.cookie);
    assert_eq!(house.ask(&unproven).await.status, 403, "a form of another site");
    let noted: Vec<String> =
        sqlx::query_scalar("SELECT action FROM audit WHERE action LIKE 'flows.%' ORDER BY action")
            .fetch_all(&house.db)
            .await
            .unwrap();
    assert_eq!(noted, ["flows.add", "flows.draft", "flows.draft"]);
    house.close().await;
}

/// Tab, Enter, and the like, as the protocol writes them.
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

/// Goes on by Tab until the focus is on what the script tells.
async fn tab_to(browser: &Browser, wanted: &str) {
    for _ in 0..150 {
        browser.press(TAB).await;
        let there =
            browser.run(&format!("const one = document.activeElement; return Boolean({wanted})")).await;
        if there == json!(true) {
            return;
        }
    }
    panic!("no Tab leads to {wanted}");
}

#[tokio::test]
async fn a_flow_is_built_published_and_answers_by_keyboard_alone() {
    let house = open().await;
    let path = line(&house).await;
    let browser = Browser::open().await;
    sign_in(&browser, &house, &[]).await;
    let arrives = async |here: &str| {
        browser
            .until(&format!(
                "return document.readyState === 'complete' && location.pathname === {}",
                json!(here)
            ))
            .await;
    };
    browser.go(&at(&house, "/console/flows")).await;
    tab_to(&browser, "one.name === 'name'").await;
    browser.press(&format!("front{ENTER}")).await;
    arrives("/console/flows/front").await;
    // The first step: greets, and leads to a new one that takes a message.
    tab_to(&browser, "one.name === 'do'").await;
    browser.press("Say").await;
    tab_to(&browser, "one.name === 'name' && one.closest('form').action.endsWith('/add')").await;
    browser.press(&format!("hello{ENTER}")).await;
    arrives("/console/flows/front/edit/steps.hello").await;
    tab_to(&browser, "one.name === 'text'").await;
    browser.press("Welcome to the harbor.").await;
    tab_to(&browser, "one.name === 'next'").await;
    browser.press("New: Take").await;
    assert_eq!(browser.run("return document.activeElement.value").await, "new:voicemail");
    tab_to(&browser, "one.matches('.primary') && one.textContent === 'Save the draft'").await;
    browser.press(ENTER).await;
    arrives("/console/flows/front/edit/steps.voicemail").await;
    tab_to(&browser, "one.name === 'text'").await;
    browser.press("Please leave a message.").await;
    tab_to(&browser, "one.name === 'max'").await;
    // The page that comes is the same, but for a mark on this one.
    browser.run("window.old = true").await;
    browser.press(ENTER).await;
    browser.until("return !window.old && document.querySelector('.notice.ok') !== null").await;
    tab_to(&browser, "one.textContent === 'Back to the flow'").await;
    browser.press(ENTER).await;
    arrives("/console/flows/front").await;
    assert_eq!(browser.count(".picture rect.box").await, 2);
    tab_to(&browser, "one.textContent === 'Make it a version'").await;
    browser.press(ENTER).await;
    browser.until("return document.querySelector('#publish') !== null").await;
    tab_to(&browser, "one.textContent === 'On Front desk'").await;
    browser.press(ENTER).await;
    arrives(&format!("{path}/publish")).await;
    tab_to(&browser, "one.textContent === 'Publish'").await;
    browser.press(ENTER).await;
    arrives(&format!("{path}/settings")).await;
    assert!(browser.complaints().await.is_empty());
    browser.close().await;

    // The next call hears it.
    let calls = std::cell::Cell::new(77);
    let heard = crate::house::eventually("the line follows it", || async {
        calls.set(calls.get() + 1);
        let call = Ask::post("/webhooks/twilio/voice").form(&[
            ("CallSid", &format!("CA{:032x}", calls.get())),
            ("AccountSid", crate::house::TWILIO_ACCOUNT),
            ("From", "+14155550101"),
            ("To", "+14155550150"),
        ]);
        let reply = house.ask(&call.by_twilio()).await;
        reply.text().contains("Welcome to the harbor.").then(|| reply.text().to_owned())
    })
    .await;
    assert!(heard.contains("Please leave a message.") && heard.contains("<Record"), "{heard}");
    house.close().await;
}

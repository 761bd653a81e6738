//! Lines and flows, managed through the real service and the command line, and as processes have them in memory.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::api::{ADMIN, get, key, open};
use crate::house::{House, NOW, Plan, TWILIO_ACCOUNT, eventually};
use crate::wire::{Ask, Connection, Reply};
use crate::worker::smartline;

const LINE: &str = "+14155550190";
const OTHER: &str = "+14155550191";

fn authorized(ask: Ask) -> Ask {
    ask.header("Authorization", format!("Bearer {ADMIN}"))
}

async fn post(house: &House, path: &str, body: &Value) -> Reply {
    house.clock.advance(Duration::from_millis(1)); // what is done later is written down later
    house.ask(&authorized(Ask::post(&format!("/api/v1/{path}")).json(body.to_string()))).await
}

/// Posts what must succeed.
async fn posted(house: &House, path: &str, body: &Value) -> Value {
    let reply = post(house, path, body).await;
    assert!((200..300).contains(&reply.status), "{path} {body}: {}", reply.text());
    reply.json()
}

async fn toml(house: &House, flow: &str, text: &str) -> Reply {
    house.clock.advance(Duration::from_millis(1));
    let path = format!("/api/v1/flows/{flow}/versions");
    house.ask(&authorized(Ask::post(&path).body("application/toml", text))).await
}

/// A line, and a flow of one version that it is not yet pointed at.
async fn furnished(house: &House) {
    let line =
        json!({ "provider": "twilio", "number": LINE, "name": "Harbor Dental", "zone": "America/New_York" });
    posted(house, "lines", &line).await;
    posted(house, "flows", &json!({ "name": "office" })).await;
    assert_eq!(toml(house, "office", &says("Hello.")).await.status, 201);
}

fn says(text: &str) -> String {
    format!(
        "schema = 1\nstart = {{ call = \"in\" }}\n[hours.office]\nzone = \"America/New_York\"\nopen = [\"mon-fri 09:00-17:00\"]\n\
         [steps.in]\ndo = \"say\"\ntext = \"{text}\"\n"
    )
}

fn rings(number: &str) -> String {
    format!("schema = 1\nstart = {{ call = \"in\" }}\n[steps.in]\ndo = \"ring\"\nto = [\"{number}\"]\n")
}

/// The faults that an answer lists.
fn faults(reply: &Reply) -> Vec<String> {
    assert_eq!((reply.status, reply.code().as_str()), (422, "fields_invalid"), "{}", reply.text());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let told = |fault: &Value| format!("{}: {}", text(&fault["name"]), text(&fault["reason"]));
    reply.json()["fields"].as_array().unwrap().iter().map(told).collect()
}

/// What the process at this address has in its memory.
async fn serving(house: &House, address: SocketAddr) -> Value {
    let ask = authorized(Ask::get("/api/v1/lines/serving"));
    let reply = Connection::open(address).await.ask(&ask).await;
    if reply.status == 429 {
        // Whoever waits asks often, and the clock of the house stands still.
        house.clock.advance(Duration::from_secs(2));
        return json!({});
    }
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// Waits until the process has this version of the first line in its memory.
async fn serves(house: &House, address: SocketAddr, version: &Value) -> Value {
    eventually(&format!("{version} is served"), || async {
        let told = serving(house, address).await;
        (told["lines"][0].get("flow_version") == Some(version)).then_some(told)
    })
    .await
}

#[tokio::test]
async fn who_changes_a_line_may_say_what_they_have_read_of_it() {
    let house = open().await;
    furnished(&house).await;
    let path = format!("/api/v1/lines/{LINE}");
    let tag = async || {
        house.clock.advance(Duration::from_millis(100)); // within the budget of the key
        house.ask(&authorized(Ask::get(&path))).await.header("etag").unwrap().to_owned()
    };
    let change = |tag: &str, below: &str, body: Value| {
        let ask = authorized(Ask::post(&format!("{path}{below}"))).header("If-Match", tag);
        ask.json(body.to_string())
    };
    let first = tag().await;
    let renamed = house.ask(&change(&first, "", json!({ "name": "Harbor" }))).await;
    assert_eq!(renamed.status, 200, "{}", renamed.text());
    let second = tag().await;
    assert_ne!(first, second);
    let document = house.ask(&Ask::get("/api/v1/openapi.json")).await.json();
    for (below, body) in [
        ("", json!({ "name": "Overwritten" })),
        ("/publish", json!({ "flow": "office" })),
        ("/rollback", json!({})),
    ] {
        for stale in [&first, &format!("W/{second}"), "\"x\""] {
            let refused = house.ask(&change(stale, below, body.clone())).await;
            assert_eq!(
                (refused.status, refused.code().as_str()),
                (412, "changed_meanwhile"),
                "{below} {stale}"
            );
            assert!(refused.json()["hint"].as_str().unwrap().contains("ETag"));
        }
        let known = &document["paths"][format!("/api/v1/lines/{{id}}{below}")]["post"]["responses"]["412"];
        assert!(known.to_string().contains("changed_meanwhile"), "{known}");
    }
    assert_eq!(tag().await, second, "nothing was changed");
    let published = house.ask(&change(&second, "/publish", json!({ "flow": "office" }))).await;
    assert_eq!(published.status, 200, "{}", published.text());
    let third = tag().await;
    assert_ne!(second, third, "what it points at is of the line");
    let anything = house.ask(&change(&format!("\"x\", {third}"), "/rollback", json!({}))).await;
    assert_eq!(anything.status, 200, "{}", anything.text());
    assert_eq!(house.ask(&change("*", "", json!({ "name": "Harbor Dental" }))).await.status, 200);
    let none = authorized(Ask::post("/api/v1/lines/+14155550123")).header("If-Match", "*").json("{}");
    assert_eq!(house.ask(&none).await.code(), "no_such_object");
    house.close().await;
}

#[tokio::test]
async fn a_line_is_pointed_at_a_version_and_back_and_that_is_written_down() {
    let house = open().await;
    furnished(&house).await;
    let first = posted(&house, &format!("lines/{LINE}/publish"), &json!({ "flow": "office" })).await;
    assert_eq!(
        (&first["flow"], &first["number"], &first["before"]),
        (&json!("office"), &json!(1), &json!(null))
    );
    // The clock of the house stands in November: the next two changes are those of the year to come.
    assert_eq!(first["hours"]["office"]["after"][0]["opens"], "Mon 2027-03-15 09:00", "{first}");
    assert_eq!(first["hours"]["office"]["after"][1]["opens"], "Mon 2027-11-08 09:00");
    assert_eq!(toml(&house, "office", &says("Good morning.")).await.status, 201);
    let second = posted(&house, &format!("lines/{LINE}/publish"), &json!({ "flow": "office" })).await;
    assert_eq!((&second["number"], &second["before"]), (&json!(2), &first["flow_version"]));
    let back = posted(&house, &format!("lines/{LINE}/rollback"), &json!({})).await;
    assert_eq!(back["flow_version"], first["flow_version"]);
    let none = posted(&house, &format!("lines/{LINE}/publish"), &json!({ "flow_version": null })).await;
    assert_eq!(none["flow_version"], json!(null));

    let history = get(&house, ADMIN, &format!("lines/{LINE}/publications")).await.json();
    let numbers: Vec<&Value> = history["data"].as_array().unwrap().iter().map(|one| &one["number"]).collect();
    assert_eq!(numbers, [&json!(null), &json!(1), &json!(2), &json!(1)]);
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM publications WHERE ended_at IS NULL")
        .fetch_one(&house.db)
        .await
        .unwrap();
    assert_eq!(open, 1);
    let actions: Vec<String> =
        sqlx::query_scalar("SELECT action FROM audit ORDER BY id").fetch_all(&house.db).await.unwrap();
    assert_eq!(
        actions,
        [
            "lines.add",
            "flows.add",
            "flows.push",
            "lines.publish",
            "flows.push",
            "lines.publish",
            "lines.rollback",
            "lines.publish"
        ]
    );
    house.close().await;
}

#[tokio::test]
async fn the_same_document_is_the_same_version_and_no_version_ever_changes() {
    let house = open().await;
    furnished(&house).await;
    let written = format!("# with a remark\n{}pause = 0\n", says("Hello."));
    let again = toml(&house, "office", &written).await;
    assert_eq!((again.status, &again.json()["number"]), (200, &json!(1)), "{}", again.text());
    let document = json!({
        "schema": 1, "start": { "call": "in" },
        "hours": { "office": { "zone": "America/New_York", "open": ["mon-tue 09:00-17:00", "wed-fri 09:00-17:00"] } },
        "steps": { "in": { "do": "say", "text": "Hello.", "next": null } },
    });
    let as_json = post(&house, "flows/office/versions", &document).await;
    assert_eq!((as_json.status, &as_json.json()["number"]), (200, &json!(1)), "{}", as_json.text());
    let kept = get(&house, ADMIN, "flows/office/versions/1").await.json();
    assert_eq!(kept["document"]["steps"]["in"], json!({ "do": "say", "text": "Hello." }));
    assert!(kept["toml"].as_str().unwrap().contains("\n[steps.in]\ndo = \"say\"\ntext = \"Hello.\"\n"));
    assert_eq!(toml(&house, "office", &says("Bye.")).await.json()["number"], 2);
    let newer = get(&house, ADMIN, "flows/office/versions/2").await.json();
    assert_eq!(newer["changes"], json!([{ "place": "steps.in.text", "before": "Hello.", "after": "Bye." }]));
    assert_eq!(get(&house, ADMIN, "flows/office").await.json()["versions"], 2);
    for statement in ["UPDATE flow_versions SET doc = ''", "DELETE FROM flow_versions"] {
        let refused = sqlx::raw_sql(statement).execute(&house.db).await.unwrap_err();
        assert!(refused.to_string().contains("never changed"), "{refused}");
    }
    house.close().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_place() {
    let house = open().await;
    furnished(&house).await;
    let plivo = json!({
        "provider": "plivo", "number": OTHER, "name": "B", "zone": "UTC", "settings": { "forward": LINE },
    });
    posted(&house, "lines", &plivo).await;
    for (path, body, expected) in [
        ("lines", json!({ "provider": "twilio", "number": "911" }), "number: is an emergency number"),
        ("lines/+14155550190", json!({ "settings": { "colour": "red" } }), "settings.colour: is not known"),
        (
            "lines/+14155550190",
            json!({ "settings": { "forward": "+18095550142" } }),
            "settings.forward: is in a country",
        ),
        (
            "lines/+14155550190",
            json!({ "settings": { "forward": OTHER } }),
            "settings.forward: is a line of ours that rings back",
        ),
        ("flows", json!({ "name": "a b" }), "name: is no name"),
        (
            "flows/office/versions",
            json!({ "schema": 1, "start": { "call": "x" }, "steps": { "in": { "do": "end" } } }),
            "start.call: there is no step",
        ),
        ("contacts", json!({ "line": LINE, "number": "12", "tags": ["a b"] }), "number: is no full number"),
    ] {
        let found = faults(&post(&house, path, &body).await);
        assert!(found.iter().any(|fault| fault.starts_with(expected)), "{path} {body}: {found:#?}");
    }
    assert_eq!(
        faults(&toml(&house, "office", "schema = 1\nstart = ").await)[0].split(':').next(),
        Some("line 2, column 9")
    );
    // A flow that can be kept, and not be followed on this line.
    for (flow, text, expected) in [
        ("abroad", rings("+442079460018"), "steps.in.to[0]: is in a country that the line may not dial"),
        (
            "circle",
            rings(OTHER),
            "steps.in.to[0]: rings a line of ours that rings back: Harbor Dental → B → Harbor Dental",
        ),
        ("self", rings(LINE), "steps.in.to[0]: is the line's own number"),
    ] {
        posted(&house, "flows", &json!({ "name": flow })).await;
        assert_eq!(toml(&house, flow, &text).await.status, 201);
        let refused = post(&house, &format!("lines/{LINE}/publish"), &json!({ "flow": flow })).await;
        assert!(faults(&refused)[0].starts_with(expected), "{}", refused.text());
    }
    posted(&house, &format!("lines/{LINE}"), &json!({ "settings": { "countries": ["GB"] } })).await;
    posted(&house, &format!("lines/{LINE}/publish"), &json!({ "flow": "abroad" })).await;
    // What the line is set to must go with its flow.
    let back = post(&house, &format!("lines/{LINE}"), &json!({ "settings": { "countries": null } })).await;
    assert!(faults(&back)[0].starts_with("flow.steps.in.to[0]: is in a country"), "{}", back.text());
    for (path, body, status, code) in [
        (
            "lines",
            json!({ "provider": "plivo", "number": OTHER, "name": "B", "zone": "UTC" }),
            409,
            "in_the_way",
        ),
        ("lines/+14155550191/rollback", json!({}), 409, "in_the_way"),
        ("lines/+14155550199", json!({ "name": "x" }), 404, "no_such_object"),
        ("lines/+14155550190/publish", json!({ "flow": "none" }), 404, "no_such_object"),
        ("lines/+14155550190/publish", json!({ "flow": "office", "number": 9 }), 404, "no_such_object"),
        ("lines/+14155550190/publish", json!({}), 400, "parameter_invalid"),
        ("lines/+14155550190/publish", json!({ "flow_version": -1 }), 400, "parameter_invalid"),
    ] {
        let reply = post(&house, path, &body).await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{path} {body}");
    }
    house.close().await;
}

#[tokio::test]
async fn numbers_are_masked_secrets_never_shown_and_changes_need_their_scope() {
    let house = open().await;
    furnished(&house).await;
    let settings = json!({ "settings": {
        "forward": "+14155550142", "people": { "ada": "+14155550143" }, "agent_secret": "a-secret-that-nobody-sees",
    } });
    posted(&house, &format!("lines/{LINE}"), &settings).await;
    posted(
        &house,
        "contacts",
        &json!({ "line": LINE, "number": "+14155550166", "blocked": true, "name": "Mallory" }),
    )
    .await;
    assert_eq!(toml(&house, "office", &rings("+14155550144")).await.status, 201);
    let (_, plain) = key(&house, &["--scope", "read"]).await;
    for path in
        ["lines", "lines/+14155550190", "lines/serving", "contacts", "flows/office/versions/2", "audit"]
    {
        let whole = get(&house, ADMIN, path).await;
        assert_eq!(whole.status, 200, "{path}: {}", whole.text());
        assert!(!whole.text().contains("a-secret-that"), "{path}: {}", whole.text());
        if path == "audit" {
            assert!(!whole.text().contains("41555501"), "{}", whole.text());
        } else {
            let masked = get(&house, &plain, path).await;
            assert_eq!(masked.status, 200, "{path}: {}", masked.text());
            for secret in ["4155550190", "4155550142", "4155550143", "4155550144", "4155550166", "Mallory"] {
                assert!(!masked.text().contains(secret), "{path} shows {secret}: {}", masked.text());
            }
        }
    }
    for path in [
        "lines",
        "lines/+14155550190",
        "lines/+14155550190/publish",
        "lines/+14155550190/rollback",
        "flows",
        "flows/office/versions",
        "contacts",
    ] {
        let ask = Ask::post(&format!("/api/v1/{path}"))
            .json("{}")
            .header("Authorization", format!("Bearer {plain}"));
        let reply = house.ask(&ask).await;
        assert_eq!((reply.status, &reply.json()["scope"]), (403, &json!("lines:write")), "{path}");
    }
    house.close().await;
}

/// A call that comes in on the line.
fn call(id: &str) -> Ask {
    let fields = [("CallSid", id), ("AccountSid", TWILIO_ACCOUNT), ("From", "+14155550100"), ("To", LINE)];
    Ask::post("/webhooks/twilio/voice").form(&fields).by_twilio()
}

#[tokio::test]
async fn two_processes_see_what_is_published_within_the_poll() {
    let house = open().await;
    furnished(&house).await;
    let plan = Plan::new().set("SMARTLINE_API_KEY", ADMIN);
    let other =
        std::sync::Arc::new(plan.app(&house.database.url().await, std::sync::Arc::clone(&house.clock)));
    other.prepare(true).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut second = JoinSet::new();
    let service = std::sync::Arc::clone(&other);
    posted(&house, &format!("lines/{LINE}/publish"), &json!({ "flow": "office" })).await;
    second.spawn(async move { service.serve(listener, std::future::pending()).await });
    // What woke a process hears the line's own words as well.
    let first = Connection::open(address).await.ask(&call("CA1")).await;
    assert!(first.text().contains("Hello."), "{}", first.text());
    for text in ["One.", "Two.", "Three."] {
        let version = toml(&house, "office", &says(text)).await.json()["flow_version"].clone();
        posted(&house, &format!("lines/{LINE}/publish"), &json!({ "flow": "office" })).await;
        for process in [house.address, address] {
            let told = serves(&house, process, &version).await;
            assert_eq!(told["lines"][0]["flow"], "office", "the version itself is there as well: {told}");
        }
    }
    posted(&house, "contacts", &json!({ "line": LINE, "number": "+14155550166", "blocked": true })).await;
    eventually("the contact is heeded", || async {
        (serving(&house, address).await["contacts"] == 1).then_some(())
    })
    .await;
    other.stop();
    second.join_next().await.unwrap().unwrap();
    house.close().await;
}

#[tokio::test]
async fn what_is_known_outlives_the_database_and_says_how_old_it_is() {
    let mut house = House::build(Plan::new().set("SMARTLINE_API_KEY", ADMIN).gated()).await;
    furnished(&house).await;
    let first = posted(&house, &format!("lines/{LINE}/publish"), &json!({ "flow": "office" })).await;
    serves(&house, house.address, &first["flow_version"]).await;
    house.gate().shut().await;
    eventually("the database is away", || async {
        (house.ask(&Ask::get("/readyz")).await.status == 503).then_some(())
    })
    .await;
    let before = serving(&house, house.address).await;
    house.clock.advance(Duration::from_hours(25));
    let told = serving(&house, house.address).await;
    assert_eq!(
        (&told["lines"][0]["flow_version"], &told["as_of"]),
        (&first["flow_version"], &before["as_of"])
    );
    assert_eq!(get(&house, ADMIN, "lines").await.code(), "database_unavailable");
    house.gate().reopen().await;
    eventually("the database is back", || async {
        (house.ask(&Ask::get("/readyz")).await.status == 200).then_some(())
    })
    .await;
    posted(&house, &format!("lines/{LINE}/publish"), &json!({ "flow_version": null })).await;
    let told = serves(&house, house.address, &json!(null)).await;
    assert_ne!(told["as_of"], before["as_of"]);
    house.close().await;
}

#[tokio::test]
async fn who_pays_is_known_of_each_line_as_soon_as_it_is_worked_on() {
    let house = open().await;
    furnished(&house).await;
    let standing = |expected: &'static str| {
        let house = &house;
        eventually(expected, move || async move {
            let told = serving(house, house.address).await;
            (told["lines"][0]["entitlement"]["standing"] == expected).then_some(())
        })
    };
    serves(&house, house.address, &json!(null)).await;
    assert_eq!(
        serving(&house, house.address).await["lines"][0]["entitlement"],
        json!(null),
        "nobody has to pay"
    );
    posted(&house, &format!("lines/{LINE}"), &json!({ "account": "live::cus_1" })).await;
    standing("none").await;
    for (number, status, expected) in [(1, "active", "active"), (2, "canceled", "suspended")] {
        let created = NOW + number;
        let body = format!(
            r#"{{"id":"evt_{number}","object":"event","type":"customer.subscription.updated","created":{created},"livemode":true,
                "data":{{"object":{{"id":"sub_1","object":"subscription","customer":"cus_1","status":"{status}"}}}}}}"#
        );
        assert_eq!(house.ask(&Ask::post("/webhooks/stripe").json(body).by_stripe()).await.status, 200);
        house.app.work_once().await.unwrap();
        standing(expected).await;
    }
    house.close().await;
}

#[tokio::test]
async fn contacts_of_a_line_go_with_it_to_its_account() {
    let house = open().await;
    furnished(&house).await;
    let contact = |number: &str, more: Value| {
        let mut body = json!({ "line": LINE, "number": number });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    posted(&house, "contacts", &contact("+14155550166", json!({ "blocked": true, "tags": ["rude"] }))).await;
    posted(&house, &format!("lines/{LINE}"), &json!({ "account": "live::cus_1" })).await;
    let known = posted(&house, "contacts", &contact("+14155550166", json!({ "name": "Mallory" }))).await;
    assert_eq!(
        (&known["blocked"], &known["tags"], &known["name"]),
        (&json!(true), &json!(["rude"]), &json!("Mallory"))
    );
    let list = get(&house, ADMIN, "contacts?blocked=true").await.json();
    assert_eq!(
        (list["data"].as_array().unwrap().len(), &list["data"][0]["account"]),
        (1, &json!("live::cus_1"))
    );
    let let_in = contact("+14155550166", json!({ "blocked": false, "name": null, "tags": [] }));
    let known = posted(&house, "contacts", &let_in).await;
    assert_eq!(
        (&known["blocked"], &known["tags"], &known["name"]),
        (&json!(false), &json!([]), &json!(null))
    );
    house.close().await;
}

/// Runs a command that must succeed, and gives what it printed.
async fn run(house: &House, arguments: &[&str]) -> String {
    let output = smartline(house, arguments).await;
    let (out, notes) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{arguments:?}: {out}{notes}");
    out.into_owned()
}

#[tokio::test]
async fn a_step_is_shown_as_both_carriers_would_be_told() {
    let house = open().await;
    let toml = crate::project_file("examples/flows/ring-group.toml");
    let all = posted(&house, "flows/preview", &json!({ "toml": toml })).await;
    let steps = all["data"].as_array().unwrap();
    let names: Vec<&str> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    let starts: Vec<&str> = steps.iter().map(|step| step["start"].as_str().unwrap()).collect();
    assert_eq!(names.len(), toml.matches("[steps.").count(), "{names:?}");
    assert!(starts.contains(&"call") && starts.contains(&"missed"), "{starts:?}");
    for step in steps.iter().filter(|step| step["start"] == "call") {
        for carrier in ["twilio", "plivo"] {
            let document = step[carrier].as_str().unwrap();
            assert_eq!(smartline::fuzzing::voice_document(carrier, document), Ok(()), "{step}");
        }
    }
    let one = posted(&house, "flows/preview", &json!({ "toml": toml, "step": "vm" })).await;
    assert_eq!(one["data"].as_array().unwrap().len(), 1);
    assert!(one["data"][0]["plivo"].as_str().unwrap().contains("<Record"), "{one}");
    house.close().await;
}

#[tokio::test]
async fn the_command_line_does_all_of_it() {
    let house = House::open().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("office.toml");
    let (path, written) = (file.display().to_string(), format!("# ours\n{}", says("Hello.")));
    std::fs::write(&file, &written).unwrap();
    run(&house, &["line", "add", "twilio", LINE, "--name", "Harbor Dental", "--zone", "America/New_York"])
        .await;
    let told = run(&house, &["flow", "push", "office", &path, "--line", LINE, "--publish"]).await;
    assert!(told.contains("office 1 is new") && told.contains("does office 1"), "{told}");
    assert!(told.contains("after the clock changes"), "{told}");
    assert!(run(&house, &["flow", "push", "office", &path]).await.contains("office 1 was there already"));
    // What callers hear is saved beside the file, and a version by which they hear something else is not kept.
    let saved = ["simulate", "--flow", &path, "--at", "2026-12-01T15:00:00Z", "--save", "a greeting"];
    run(&house, &saved).await;
    assert!(!smartline(&house, &saved).await.status.success(), "there is one with this name");
    let calls = std::fs::read_to_string(folder.path().join("office.calls.toml")).unwrap();
    assert!(calls.contains("\u{201c}Hello.\u{201d}"), "{calls}");
    run(&house, &["flow", "push", "office", &path]).await;
    std::fs::write(&file, says("Good day.")).unwrap();
    let check = ["flow", "check", &path];
    for arguments in [&check[..], &["flow", "push", "office", &path]] {
        let refused = smartline(&house, arguments).await;
        let told = [refused.stdout, refused.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert!(
            !refused.status.success()
                && told.contains("call \"a greeting\": line 1: was \u{201c}Hello.\u{201d}"),
            "{told}"
        );
    }
    assert_eq!(run(&house, &["flow", "versions", "office"]).await.lines().count(), 1);
    run(&house, &["flow", "check", "--accept", &path]).await;
    run(&house, &check).await;
    std::fs::write(&file, &written).unwrap();
    assert!(!smartline(&house, &check).await.status.success());
    run(&house, &["flow", "push", "office", &path, "--anyway"]).await;
    std::fs::remove_file(folder.path().join("office.calls.toml")).unwrap();
    std::fs::write(&file, says("Good morning.")).unwrap();
    assert_eq!(
        run(&house, &["flow", "diff", "office", &path]).await,
        "steps.in.text\n  - \"Hello.\"\n  + \"Good morning.\"\n"
    );
    run(&house, &["flow", "push", "office", &path]).await;
    assert!(run(&house, &["flow", "diff", "office"]).await.contains("Good morning."));
    let pulled = run(&house, &["flow", "pull", "office", "--version", "1"]).await;
    assert!(pulled.contains("text = \"Hello.\"") && !pulled.contains("# ours"), "{pulled}");
    std::fs::write(&file, &pulled).unwrap();
    run(&house, &["flow", "format", "--check", &path]).await;
    std::fs::write(&file, &written).unwrap();
    assert!(!smartline(&house, &["flow", "format", "--check", &path]).await.status.success());
    run(&house, &["flow", "format", "--write", &path]).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), pulled);
    assert_eq!(run(&house, &["flow", "versions", "office"]).await.lines().count(), 2);

    assert!(run(&house, &["line", "publish", LINE, "office"]).await.contains("does office 2"));
    assert!(run(&house, &["line", "rollback", LINE]).await.contains("does office 1"));
    run(&house, &["line", "set", LINE, "forward=+14155550142", "people.ada=+14155550143", "countries=US,CA"])
        .await;
    run(&house, &["line", "block", LINE, "+14155550166"]).await;
    let shown = run(&house, &["line", "show", LINE]).await;
    for expected in
        ["forward=+14155550142", "countries=US,CA", "office 1  by command line", "+14155550166  blocked"]
    {
        assert!(shown.contains(expected), "{expected}\n{shown}");
    }
    run(&house, &["line", "unblock", LINE, "+14155550166"]).await;
    let shown: Value = serde_json::from_str(&run(&house, &["line", "show", LINE, "--json"]).await).unwrap();
    assert_eq!(
        (&shown["settings"]["people"]["ada"], &shown["contacts"][0]["blocked"]),
        (&json!("+14155550143"), &json!(false))
    );
    assert!(run(&house, &["line", "list"]).await.contains("office 1  Harbor Dental"));
    run(&house, &["line", "publish", LINE, "--built-in"]).await;
    let wrong = smartline(&house, &["line", "set", LINE, "forward=911", "colour=red"]).await;
    let notes = String::from_utf8(wrong.stderr).unwrap();
    assert!(
        notes.contains("settings.forward: is an emergency") && notes.contains("colour: is not known"),
        "{notes}"
    );
    house.close().await;
}

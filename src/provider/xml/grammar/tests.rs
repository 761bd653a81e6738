//! The check refuses what it should. Without these, a check that finds nothing would let everything pass.

use super::{
    Kind::{Call, Leg, Reply},
    *,
};
use crate::provider::{plivo::grammar::GRAMMAR as PLIVO, twilio::grammar::GRAMMAR as TWILIO};

fn refusal(grammar: &Grammar, kind: Kind, inside: &str) -> String {
    check(grammar, kind, &format!("<Response>{inside}</Response>")).err().unwrap_or_default()
}

#[test]
fn each_fault_of_twiml_is_told_with_its_place() {
    for (kind, inside, fault) in [
        (Call, "<Say>a</Say><Hangup/>", ""),
        (Call, "", "ends with none of Gather"),
        (Call, "<Say>a</Say>", "ends with none of Gather"),
        (Call, "<say>a</say><Hangup/>", "Response/say: is no element here"),
        (Call, "<Speak>a</Speak><Hangup/>", "Response/Speak: is no element here"),
        (Call, "a<Hangup/>", "Response: holds something between its elements"),
        (Call, "<Say> </Say><Hangup/>", "Response/Say: must be words"),
        (Call, "<Say>a<Hangup/></Say>", "Response/Say: holds more than a text"),
        (Call, "<Say Language='en-US'>a</Say><Hangup/>", "Response/Say/@Language: is no attribute here"),
        (Call, "<Say language='english'>a</Say><Hangup/>", "Response/Say/@language: must be a language"),
        (Call, "<Play>http://a.example/b.mp3</Play><Hangup/>", "Response/Play: must be an absolute https"),
        (Call, "<Pause length='0'/><Hangup/>", "Response/Pause/@length: must be a number from 1"),
        (Call, "<Pause length='+1'/><Hangup/>", "Response/Pause/@length: must be a number"),
        (Call, "<Pause>1</Pause><Hangup/>", "Response/Pause: holds something"),
        (Call, "<Gather/>", "Response/Gather: needs action"),
        (Call, "<Gather action='/a'/>", "Response/Gather/@action: must be an absolute"),
        (
            Call,
            "<Gather action='https://a.example/' input='dtmf dtmf'/>",
            "Response/Gather/@input: must be some",
        ),
        (
            Call,
            "<Gather action='https://a.example/'><Hangup/></Gather>",
            "Response/Gather/Hangup: is no element",
        ),
        (Call, "<Record/>", "Response/Record: needs action"),
        (Call, "<Dial action='https://a.example/' callerId='+14155550199'/>", "Response/Dial: holds 1 to 10"),
        (
            Call,
            "<Dial action='https://a.example/' callerId='+14155550199'><Number>911</Number></Dial>",
            "Response/Dial/Number: must be a phone number with its +",
        ),
        (
            Call,
            "<Dial action='https://a.example/' callerId='anonymous'/>",
            "@callerId: must be a phone number",
        ),
        (Call, "<Say>a</Say><Reject/>", "Response/Reject: is possible as the first alone"),
        (Call, "<Hangup/><Say>a</Say>", "Response/Hangup: what follows is never reached"),
        (Call, "<Reject reason='none'/>", "Response/Reject/@reason: must be one of rejected, busy"),
        (Call, "<Connect/>", "Response/Connect: holds 1 to 1 elements"),
        (
            Call,
            "<Connect><Stream url='wss://a.example/?b=c'/></Connect>",
            "Response/Connect/Stream/@url: must be an absolute wss address without query",
        ),
        (Call, "<Message>a</Message>", "Response/Message: is no element here"),
        (Call, "<a:Hangup xmlns:a='urn:a'/>", "Response/Hangup: has a namespace"),
        (Call, "<!-- a --><Hangup/>", "Response: holds something between"),
        (Leg, "", ""),
        (Leg, "<Dial>+14155550142</Dial>", "Response/Dial: is no element here"),
        (Reply, "", ""),
        (Reply, "<Message>a</Message>", ""),
        (Reply, "<Say>a</Say>", "Response/Say: is no element here"),
        (Reply, "<Message/>", "Response/Message: must be words"),
    ] {
        let told = refusal(&TWILIO, kind, inside);
        assert!(if fault.is_empty() { told.is_empty() } else { told.contains(fault) }, "{inside}: {told}");
    }
}

#[test]
fn each_fault_of_plivo_xml_is_told_with_its_place() {
    for (kind, inside, fault) in [
        (Call, "<Speak>a</Speak><Hangup/>", ""),
        (Call, "<Say>a</Say><Hangup/>", "Response/Say: is no element here"),
        (Call, "<Speak>a</Speak><Hangup reason='busy'/>", "Response/Hangup: is possible as the first alone"),
        (Call, "<Hangup reason='busy'/>", ""),
        (Call, "<GetInput action='https://a.example/'/>", "Response/GetInput: needs inputType"),
        (
            Call,
            "<GetInput action='https://a.example/' inputType='dtmf' executionTimeout='4'/>",
            "Response/GetInput/@executionTimeout: must be a number from 5 to 60",
        ),
        (
            Call,
            "<GetInput action='https://a.example/' inputType='dtmf' digitEndTimeout='11'/>",
            "Response/GetInput/@digitEndTimeout: must be a number from 2 to 10, or auto",
        ),
        (
            Call,
            "<Dial action='https://a.example/' callerId='+14155550199'><Number>1</Number></Dial>",
            "Response/Dial/@callerId: must be a phone number's digits",
        ),
        (
            Call,
            "<Stream extraHeaders='call=a b'>wss://a.example/</Stream>",
            "Response/Stream/@extraHeaders: must be name=value",
        ),
        (Leg, "<Speak>a</Speak>", ""),
        (Leg, "<Speak>a</Speak><Hangup/>", "Response/Hangup: is no element here"),
        (Reply, "<Message>a</Message>", "Response/Message: needs src"),
        (Reply, "<Message src='14155550199' dst='14155550100' type='sms'>a</Message>", ""),
        (
            Reply,
            "<Message src='+14155550199' dst='14155550100'>a</Message>",
            "Response/Message/@src: must be",
        ),
    ] {
        let told = refusal(&PLIVO, kind, inside);
        assert!(if fault.is_empty() { told.is_empty() } else { told.contains(fault) }, "{inside}: {told}");
    }
}

#[test]
fn what_is_no_document_is_refused() {
    for (document, fault) in [
        ("", "is no XML"),
        ("<Response>", "is no XML"),
        ("<Response><Say>a & b</Say></Response>", "is no XML"),
        ("<response/>", "no bare Response"),
        ("<Response a='b'/>", "no bare Response"),
        ("<Response xmlns='urn:a'/>", "no bare Response"),
        ("<Response/><!-- a -->", "beside its root"),
        ("<Response><Hangup a='b' a='c'/></Response>", "is no XML"),
        ("<!DOCTYPE r [<!ENTITY a 'b'>]><Response><Say>&a;</Say></Response>", "is no XML"),
    ] {
        let told = check(&TWILIO, Call, document).unwrap_err();
        assert!(told.contains(fault), "{document}: {told}");
    }
    let long = format!("<Response><Say>{}</Say><Hangup/></Response>", "a".repeat(65_536));
    assert!(check(&TWILIO, Call, &long).unwrap_err().contains("at most 65536"));
}

#[test]
fn addresses() {
    for (text, url, socket) in [
        ("https://a.example", true, false),
        ("https://a.example/b?c=d", true, false),
        ("http://127.0.0.1:8080/b", true, false),
        ("http://[::1]/b", true, false),
        ("http://localhost/b", true, false),
        ("http://a.example/b", false, false),
        ("https:a.example", false, false),
        ("//a.example/b", false, false),
        ("/b", false, false),
        ("https://user@a.example/", false, false),
        ("https://a.example/#b", false, false),
        ("https://a.example/b c", false, false),
        ("https://a.example\\b", false, false),
        ("ftp://a.example/", false, false),
        ("wss://a.example/b", false, true),
        ("wss://a.example/b?c=d", false, false),
        ("ws://a.example/b", false, false),
    ] {
        assert_eq!((is_url(text), is_socket(text)), (url, socket), "{text}");
    }
}

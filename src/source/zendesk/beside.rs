//! What Zendesk keeps beside a ticket's comments: side conversations, ratings, and chats that only audits hold.

use serde_json::{Map, Value, json};

use super::people::text;
use super::shape::id_of;
use crate::record::Origin;

/// What other parts of the archive, or the ticket itself, hold beside its comments.
#[derive(Default)]
pub(super) struct Beside {
    /// Side conversations, each once, with their place.
    pub conversations: Vec<(Map<String, Value>, Origin)>,
    /// Ratings, each once.
    pub ratings: Vec<Value>,
}

impl Beside {
    /// Takes what a ticket holds inside.
    pub(super) fn of(ticket: &mut Map<String, Value>, origin: &Origin) -> Self {
        let mut beside = Self::default();
        for conversation in list(ticket.shift_remove("side_conversations")) {
            beside.conversation(conversation, origin.clone());
        }
        for rating in list(ticket.shift_remove("satisfaction_ratings")) {
            beside.rating(rating);
        }
        beside
    }

    pub(super) fn conversation(&mut self, conversation: Map<String, Value>, origin: Origin) {
        if !self.conversations.iter().any(|(known, _)| known.get("id") == conversation.get("id")) {
            self.conversations.push((conversation, origin));
        }
    }

    pub(super) fn rating(&mut self, mut rating: Map<String, Value>) {
        rating.shift_remove("ticket_id");
        let rating = Value::Object(rating);
        if !self.ratings.iter().any(|known| known.get("id").is_some() && known.get("id") == rating.get("id")) {
            self.ratings.push(rating);
        }
    }
}

fn list(value: Option<Value>) -> Vec<Map<String, Value>> {
    let Some(Value::Array(list)) = value else { return Vec::new() };
    list.into_iter().filter_map(|value| if let Value::Object(object) = value { Some(object) } else { None }).collect()
}

/// The messages of a chat out of the event of an audit, as comments; `None`: it holds no chat.
///
/// <https://developer.zendesk.com/documentation/ticketing/reference-guides/ticket-audit-events-reference/>: the event
/// that a chat has begun has its `history`.
pub(super) fn chat_of(event: &Map<String, Value>, requester: Option<&str>) -> Option<Vec<Map<String, Value>>> {
    let history = event.get("value")?.get("history")?.as_array()?;
    let number = event.get("id").and_then(id_of).unwrap_or_else(|| "chat".to_owned());
    let mut messages = Vec::new();
    for (index, item) in history.iter().enumerate() {
        let some = |keys: &[&str]| keys.iter().find_map(|key| item.get(*key).and_then(text));
        let said = some(&["message", "msg"]);
        let file = item.get("attachment").unwrap_or(item);
        let address = ["url", "attachment_url", "content_url"].iter().find_map(|key| file.get(*key).and_then(text));
        if said.is_none() && address.is_none() {
            continue;
        }
        let mut message = Map::new();
        message.insert("id".to_owned(), json!(format!("{number}-{index}")));
        message.insert("type".to_owned(), json!("ChatMessage"));
        message.insert("public".to_owned(), json!(true));
        message.insert("body".to_owned(), json!(said));
        if let Some(at) = item.get("timestamp").or_else(|| item.get("created_at")) {
            message.insert("created_at".to_owned(), at.clone());
        }
        if let Some(url) = address {
            let name = ["filename", "file_name", "name"].iter().find_map(|key| file.get(*key).and_then(text));
            let kind = ["mime_type", "content_type"].iter().find_map(|key| file.get(*key).and_then(text));
            let file = json!({"file_name": name, "content_url": url, "content_type": kind, "size": file.get("size")});
            message.insert("attachments".to_owned(), json!([file]));
        }
        let is_customer = some(&["actor_type", "sender_type"]).is_some_and(|it| it == "end-user" || it == "visitor");
        let name = some(&["actor_name", "display_name", "name"]);
        let id = some(&["actor_id"]).or_else(|| item.get("actor_id").and_then(id_of));
        // Visitors have ids of their own; the ticket's requester is whom they stand for.
        let id = if is_customer { requester.map(str::to_owned).or(id) } else { id };
        let id = id.or_else(|| Some(format!("chat {}", name.as_ref()?)));
        let role = if is_customer { "end-user" } else { "agent" };
        message.insert("author".to_owned(), json!({"id": id, "name": name, "role": role}));
        messages.push(message);
    }
    (!messages.is_empty()).then_some(messages)
}

#[cfg(test)]
mod tests {
    use crate::record::Body;
    use crate::source::tests::read_files;

    const TICKET: &str = r#"{"url":"https://x.example.org/api/v2/tickets/7.json","id":7,"requester_id":5,"submitter_id":5,
        "subject":"s","description":"d","status":"open","created_at":"2024-01-01T00:00:00Z","updated_at":"2024-01-02T00:00:00Z",
        "comments":[{"id":70,"author_id":5,"body":"hello","public":true,"created_at":"2024-01-01T00:00:00Z"}]}"#;

    const SIDE: &str = r#"{"side_conversations":[{"id":"a-1","ticket_id":7,"subject":"Parts","preview_text":"Do you","state":"open",
        "participants":[{"user_id":9,"name":"Vic","email":"vic@example.net"}],"created_at":"2024-01-01T01:00:00Z"}],"count":1}"#;

    const EVENTS: &str = r#"{"events":[
        {"id":"e1","side_conversation_id":"a-1","type":"create","actor":{"user_id":8,"name":"Sam","email":"sam@example.org"},
         "message":{"subject":"Parts","body":"Do you?","html_body":"<p>Do you?</p>","to":[{"email":"vic@example.net"}],"attachments":[]},
         "created_at":"2024-01-01T01:00:00Z"},
        {"id":"e2","side_conversation_id":"a-1","type":"reply","actor":{"user_id":9,"name":"Vic","email":"vic@example.net"},
         "message":{"body":"Yes.","attachments":[{"id":1,"file_name":"a.txt","content_url":"https://x.example.org/a.txt","size":3}]},
         "created_at":"2024-01-01T02:00:00Z"},
        {"id":"e3","side_conversation_id":"a-1","type":"update","actor":{"user_id":8},"message":null,"created_at":"2024-01-01T03:00:00Z"}],"count":3}"#;

    #[test]
    fn side_conversations_are_entries_that_customers_did_not_see() {
        let (_, records) = read_files("zendesk", &[("t.json", TICKET), ("side.json", SIDE), ("events.json", EVENTS)]);
        let ids: Vec<&str> = records[0].entries.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids, ["70", "side-a-1-e1", "side-a-1-e2"]);
        let reply = &records[0].entries[2];
        assert!(!reply.is_public && reply.kind == "side_conversation");
        assert_eq!(reply.author.as_ref().unwrap().email(), Some("vic@example.net"));
        assert_eq!(reply.attachments.len(), 1);
        assert_eq!(reply.fields["side_subject"], "Parts");
        let (_, records) = read_files("zendesk", &[("t.json", TICKET), ("side.json", SIDE)]);
        assert_eq!(records[0].entries[1].body, Body::Text("Do you".to_owned()));
        assert!(records[0].oddities.iter().any(|odd| odd.message.contains("without its messages")));
    }

    #[test]
    fn ratings_find_their_ticket() {
        let ratings = r#"{"satisfaction_ratings":[{"id":3,"ticket_id":7,"requester_id":5,"score":"good","comment":"Quick!","created_at":"2024-01-03T00:00:00Z"}]}"#;
        let (_, records) = read_files("zendesk", &[("t.json", TICKET), ("r.json", ratings)]);
        assert_eq!(records[0].fields["satisfaction_ratings"][0]["comment"], "Quick!");
    }

    #[test]
    fn a_chat_that_only_an_audit_holds_is_read_message_by_message() {
        let chat = |comment: &str| {
            format!(
                r#"{{"audits":[{{"id":1,"ticket_id":7,"author_id":-1,"created_at":"2024-01-01T05:00:00Z","events":[{comment}
                {{"id":11,"type":"ChatStartedEvent","value":{{"chat_id":"c","history":[
                    {{"type":"ChatJoin","actor_name":"Pat","actor_type":"end-user","timestamp":1704085200000}},
                    {{"type":"ChatMessage","actor_name":"Pat","actor_type":"end-user","message":"Anybody?","timestamp":1704085201000}},
                    {{"type":"ChatMessage","actor_id":8,"actor_name":"Sam","actor_type":"agent","message":"Yes!","timestamp":1704085202000}},
                    {{"type":"ChatFileAttachment","actor_type":"end-user","attachment":{{"url":"https://x.example.org/b","name":"b.png"}},"timestamp":1704085203000}}]}}}}]}}]}}"#
            )
        };
        let (_, records) = read_files("zendesk", &[("t.json", TICKET), ("a.json", &chat(""))]);
        let said: Vec<_> = records[0]
            .entries
            .iter()
            .map(|entry| (entry.id.as_str(), entry.author.as_ref().unwrap().role.as_deref()))
            .collect();
        let expected = [("70", None), ("11-1", Some("end-user")), ("11-2", Some("agent")), ("11-3", Some("end-user"))];
        assert_eq!(said[1..], expected[1..]);
        assert_eq!(records[0].entries[3].attachments[0].name, "b.png");
        // The transcript stands in a comment already.
        let comment = r#"{"id":12,"type":"Comment","author_id":8,"body":"(05:00:01) Pat: Anybody?\n(05:00:02) Sam: Yes!","public":true},"#;
        let (_, records) = read_files("zendesk", &[("t.json", TICKET), ("a.json", &chat(comment))]);
        assert_eq!(records[0].entries.len(), 2);
    }
}

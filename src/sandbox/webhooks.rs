//! Deliveries to whoever has asked for them, signed as the real ones are.
//!
//! A delivery carries the state at the time of delivery, as one from a queue does, and is tried three times here where a
//! real server tries ten times over hours.

use std::sync::{Arc, Weak};
use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Server;
use super::show::{self, Embed};
use super::store::Store;

/// One event on its way to one address.
#[derive(Debug)]
pub(super) struct Delivery {
    url: String,
    event: &'static str,
    about: About,
}

#[derive(Debug)]
enum About {
    Conversation(u64),
    Customer(u64),
    /// What can no longer be read at the time of delivery.
    Gone(Value),
}

/// The end that rules send to, and the end that [`deliver`] empties.
pub(super) fn queue() -> (UnboundedSender<Delivery>, UnboundedReceiver<Delivery>) {
    unbounded_channel()
}

impl Server {
    /// Tells every webhook that listens to this event of a conversation.
    pub(super) fn hook(&self, store: &Store, event: &'static str, conversation: u64) {
        if store.webhooks.is_empty() {
            return;
        }
        let gone = || {
            let row = store.conversation(conversation)?;
            Some(About::Gone(show::conversation(self, store, row, Embed::THREADS)))
        };
        self.send(store, event, || match event {
            "convo.deleted_forever" => gone().unwrap_or(About::Conversation(conversation)),
            _ => About::Conversation(conversation),
        });
    }

    /// Tells every webhook that listens to this event of a customer.
    pub(super) fn hook_customer(&self, store: &Store, event: &'static str, customer: u64) {
        self.send(store, event, || About::Customer(customer));
    }

    fn send(&self, store: &Store, event: &'static str, about: impl Fn() -> About) {
        for hook in store.webhooks.values().filter(|hook| hook.events.iter().any(|(_, e)| e == event)) {
            // The other end is gone only when the sandbox is being shut down.
            let _ = self.deliveries.send(Delivery { url: hook.url.clone(), event, about: about() });
        }
    }

    fn payload(&self, about: &About) -> Option<Value> {
        let store = self.store();
        match about {
            About::Conversation(id) => {
                store.conversation(*id).map(|row| show::conversation(self, &store, row, Embed::THREADS))
            }
            About::Customer(id) => store.customers.get(id).map(|row| show::customer(self, &store, row)),
            About::Gone(value) => Some(value.clone()),
        }
    }
}

/// Delivers until the sandbox is gone.
pub(super) async fn deliver(server: Weak<Server>, mut deliveries: UnboundedReceiver<Delivery>) {
    let mut client = None;
    while let Some(delivery) = deliveries.recv().await {
        let Some(server): Option<Arc<Server>> = server.upgrade() else { return };
        let Some(body) = server.payload(&delivery.about).map(|p| p.to_string()) else { continue };
        let signature = sign(server.key.as_bytes(), body.as_bytes());
        drop(server);
        if client.is_none() {
            client = http();
        }
        let Some(client) = &client else { return };
        for attempt in 0..3u64 {
            let request = client
                .post(&delivery.url)
                .header("Content-Type", "application/json")
                .header("X-FreeScout-Event", delivery.event)
                .header("X-FreeScout-Signature", &signature)
                .body(body.clone());
            if request.send().await.is_ok_and(|answer| answer.status().is_success()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100 << attempt)).await;
        }
    }
}

/// A client for deliveries and downloads; none when TLS cannot be set up.
pub(super) fn http() -> Option<reqwest::Client> {
    // An error says that one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy().build().ok()
}

/// Base64 of the HMAC-SHA1 of the body, which the real server's receivers check.
pub(super) fn sign(key: &[u8], body: &[u8]) -> String {
    let mut block = [0u8; 64];
    if key.len() > 64 {
        block[..20].copy_from_slice(&sha1(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8| block.iter().map(|b| b ^ pad).collect::<Vec<u8>>();
    let inner = sha1(&[&padded(0x36)[..], body].concat());
    let outer = sha1(&[&padded(0x5c)[..], &inner].concat());
    base64::engine::general_purpose::STANDARD.encode(outer)
}

/// SHA-1 as in FIPS 180-4. Thirty lines here, for a signature that nobody's safety rests on, instead of a dependency.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    for chunk in padded.chunks_exact(64) {
        let mut words = [0u32; 80];
        for (word, bytes) in words.iter_mut().zip(chunk.chunks_exact(4)) {
            *word = bytes.iter().fold(0, |w, b| w << 8 | u32::from(*b));
        }
        for i in 16..80 {
            words[i] = (words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (i, word) in words.iter().enumerate() {
            let (mix, constant) = match i {
                0..20 => ((b & c) | (!b & d), 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6u32),
            };
            let next = a.rotate_left(5).wrapping_add(mix).wrapping_add(e).wrapping_add(constant).wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut out = [0; 20];
    for (bytes, word) in out.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_hmac_of_the_body() {
        // RFC 2202, test case 2.
        let want = [
            0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74, 0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c, 0x25, 0x9a,
            0x7c, 0x79,
        ];
        let want = base64::engine::general_purpose::STANDARD.encode(want);
        assert_eq!(sign(b"Jefe", b"what do ya want for nothing?"), want);
    }
}

//! How large a request may be: creates that lack everything are offered, larger and larger, until one is turned away for
//! its size rather than for what it lacks.

use crate::freescout::{ApiError, Client, ErrorKind};

use crate::report::figures::size;

use super::{Desk, Grade, Learnt};

/// The largest request that is offered, in bytes.
pub const LARGEST: u64 = 32 << 20;

/// The smallest: any server takes that.
const FIRST: u64 = 256 << 10;

/// A limit is known well enough when it lies between two sizes that differ by this part.
const NEAR: u64 = 16;

/// What an attachment of usual size needs as base64, with the text around it.
const ENOUGH: u64 = 14 << 20;

/// What was answered to an offer.
enum Answer {
    /// Taken, and refused for what it lacked.
    Taken,
    /// Turned away for its size.
    TooLarge(ApiError),
    /// Anything else.
    Trouble(ApiError),
}

async fn offer(desk: &mut Desk<'_>, bytes: u64) -> Answer {
    match desk.ask(|client: &Client| client.offer(bytes)).await {
        Ok(()) => Answer::Taken,
        Err(error) => match error.kind() {
            ErrorKind::Refused => Answer::Taken,
            ErrorKind::TooLarge => Answer::TooLarge(error),
            // PHP out of memory is a 500 or a dead worker.
            ErrorKind::ServerFault | ErrorKind::HungUp | ErrorKind::Forbidden | ErrorKind::Puzzling
                if bytes > FIRST =>
            {
                Answer::TooLarge(error)
            }
            _ => Answer::Trouble(error),
        },
    }
}

pub(super) async fn look(desk: &mut Desk<'_>, largest: u64) -> Learnt {
    if largest == 0 {
        return Learnt::default();
    }
    let mut taken = 0;
    let mut refused = None;
    let mut next = FIRST.min(largest);
    loop {
        match offer(desk, next).await {
            Answer::Taken => taken = next,
            Answer::TooLarge(error) => refused = Some((next, error)),
            Answer::Trouble(error) => {
                desk.unanswered(
                    "request-size",
                    &format!("a request of {} is not answered as it should be", size(next)),
                    &error,
                );
                return Learnt::default();
            }
        }
        next = match &refused {
            None if taken >= largest => break,
            None => (taken * 2).min(largest),
            Some((limit, _)) if limit - taken <= limit / NEAR => break,
            Some((limit, _)) => taken + (limit - taken) / 2,
        };
    }
    let Some((limit, error)) = refused else {
        desk.fine("request-size", format!("requests of {} are taken", size(taken)));
        return Learnt { taken: Some(taken), ..Learnt::default() };
    };
    let text = format!("requests of {} are taken, of {} no more: {error}", size(taken), size(limit));
    let advice = "larger attachments become dead letters until it is raised: `client_max_body_size` (nginx), `LimitRequestBody` \
                  (Apache), `post_max_size` and `memory_limit` (PHP); 32 MB and 256 MB do for FreeScout's own attachments";
    let grade = if limit < ENOUGH { Grade::Warning } else { Grade::Note };
    desk.say("request-size", grade, text, advice);
    Learnt { taken: Some(taken), refused: Some(limit), ..Learnt::default() }
}

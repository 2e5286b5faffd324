//! THREAD. RFC 5256 §3.

use super::search::run;
use crate::doors::imap::conn::{Session, blocking};
use crate::doors::imap::grammar::Thread;
use crate::doors::imap::out::Out;
use crate::doors::imap::reply::{Answer, Stop};
use crate::doors::imap::search::{Forest, Hunt};
use crate::doors::imap::state::Selected;

pub(in crate::doors::imap) async fn thread(session: &mut Session, thread: Thread) -> Result<Answer, Stop> {
    let Thread { by_uid, algorithm, key } = thread;
    let now = session.services.clock.now();
    let Some(selected) = session.state.selected() else {
        return Ok(Answer::bad("no mailbox is selected"));
    };
    let hunt = Hunt::new(key, selected, now).threading();
    let hunt = match run(session, hunt).await? {
        Ok(hunt) => hunt,
        Err(answer) => return Ok(answer),
    };
    let forest = blocking(move || hunt.into_threads(algorithm)).await?;
    let Some(selected) = session.state.selected() else { return Err(Stop::Gone) };
    let mut out = Out::default();
    write(&forest, by_uid, selected, &mut out);
    session.wire.send(out).await?;
    Ok(Answer::ok("THREAD done"))
}

/// What comes next while threads are written: however deep they are, nothing is nested here.
enum Step {
    Thread(usize),
    Node { node: usize, is_first: bool },
    Close,
}

/// `* THREAD (2)(3 6 (4 23)(44 7 96))`: one that is answered once is followed by that, others by each answer in
/// parentheses.
fn write(forest: &Forest, by_uid: bool, selected: &Selected, out: &mut Out) {
    out.text("* THREAD");
    if !forest.roots.is_empty() {
        out.byte(b' ');
    }
    let mut steps: Vec<Step> = forest.roots.iter().rev().map(|root| Step::Thread(*root)).collect();
    while let Some(step) = steps.pop() {
        match step {
            Step::Close => out.byte(b')'),
            Step::Thread(node) => {
                out.byte(b'(');
                steps.push(Step::Close);
                steps.push(Step::Node { node, is_first: true });
            }
            Step::Node { node, is_first } => {
                let uid = forest.uid(node);
                let number = if by_uid { uid } else { uid.and_then(|uid| selected.uids.seq(uid)) };
                if let Some(number) = number {
                    if !is_first {
                        out.byte(b' ');
                    }
                    out.number(u64::from(number));
                }
                match forest.children(node) {
                    [] => {}
                    [only] => steps.push(Step::Node { node: *only, is_first: is_first && number.is_none() }),
                    several => {
                        if number.is_some() {
                            out.byte(b' ');
                        }
                        steps.extend(several.iter().rev().map(|child| Step::Thread(*child)));
                    }
                }
            }
        }
    }
    out.text("\r\n");
}

//! Folders held in memory: larger than a chunk, larger than the bound, older than the newest view.

use proptest::prelude::*;

use super::*;

async fn filled(home: &Home, count: u32) -> FolderId {
    let inbox = home.role(Role::Inbox).id;
    let item = home.item("text", 5);
    let added = home.act(Origin::OTHER, move |tx| {
        let to = tx.granted(inbox)?;
        (0..count).try_for_each(|_| tx.append(&to, item.clone()).map(drop))
    });
    added.await.unwrap();
    inbox
}

fn uids(lights: &Lights) -> Vec<u32> {
    lights.iter().map(|light| light.uid.0).collect()
}

impl Home {
    fn lights(&self, folder: FolderId) -> Lights {
        let view = self.view();
        self.mailbox.lights(&view, &view.readable(folder).unwrap()).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Each round removes, flags and adds; a state made of the last one is that of the rows.
    #[test]
    fn chunks_follow_the_rows(
        rounds in prop::collection::vec((0..2_000_u32, 1..600_u32, 1..7_usize, 0..700_u32), 1..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let home = Home::new().await;
            let inbox = filled(&home, 1_500).await;
            for (from, count, step, more) in rounds {
                let there = uids(&home.lights(inbox));
                let removed: Vec<u32> = there
                    .iter()
                    .copied()
                    .filter(|uid| (from..from.saturating_add(count)).contains(uid))
                    .step_by(step)
                    .collect();
                let flagged = there.iter().copied().find(|uid| !removed.contains(uid));
                home.act(Origin::OTHER, move |tx| {
                    let at = tx.granted(inbox)?;
                    removed.into_iter().try_for_each(|uid| tx.expunge(&at, Uid(uid)).map(drop))?;
                    let edit = Edit { set: Flags::FLAGGED, ..Edit::default() };
                    flagged.map_or(Ok(()), |uid| tx.edit(&at, Uid(uid), &edit, Knew(None)).map(drop))
                })
                .await
                .unwrap();
                filled(&home, more).await;
                let mut rows = Vec::new();
                home.view()
                    .items(&home.folder(inbox), Uid(0), &mut |item| {
                        rows.push((item.uid, item.flags, item.modseq));
                        std::ops::ControlFlow::Continue(())
                    })
                    .unwrap();
                let lights = home.lights(inbox);
                let all: Vec<_> = lights.iter().map(|l| (l.uid, l.flags, l.modseq)).collect();
                prop_assert_eq!(&all, &rows);
                let low_high = (Uid(from), Uid(from.saturating_add(count)));
                let part: Vec<_> = lights.range(low_high.0, low_high.1).map(|l| l.uid).collect();
                let expected = rows.iter().map(|row| row.0).filter(|uid| (low_high.0..=low_high.1).contains(uid));
                prop_assert_eq!(part, expected.collect::<Vec<_>>());
            }
            Ok(())
        })?;
    }
}

/// One who looks through an older view sees what was there then, and takes nothing from the newer one.
#[tokio::test]
async fn an_older_view_sees_what_was_there() {
    let home = Home::new().await;
    let inbox = filled(&home, 3).await;
    let old = home.view();
    let folder = old.readable(inbox).unwrap();
    filled(&home, 1).await;
    assert_eq!(uids(&home.lights(inbox)), [1, 2, 3, 4]);
    assert_eq!(uids(&home.mailbox.lights(&old, &folder).unwrap()), [1, 2, 3]);
    assert_eq!(uids(&home.lights(inbox)), [1, 2, 3, 4]);
}

/// A folder that does not fit is read each time, and the others stay.
#[tokio::test]
async fn memory_is_bounded() {
    let clock = Clock::set(1_800_000_000_000);
    let mailbox = Mailbox::with_hot(Store::in_memory_at(&clock).unwrap(), clock, 10_000);
    let home = Home::over(mailbox).await;
    let inbox = filled(&home, 1_000).await;
    for _ in 0..2 {
        assert_eq!(home.lights(inbox).len(), 1_000);
        assert_eq!(home.mailbox.hot.bytes(), 0);
    }
    for n in 0..30 {
        let made = home.make(FolderId::TOP, &format!("f{n}")).await.unwrap();
        assert!(home.lights(made).is_empty());
    }
    assert!((5_000..=10_000).contains(&home.mailbox.hot.bytes()), "{}", home.mailbox.hot.bytes());
}

/// Keywords that nobody has any more are forgotten.
#[tokio::test]
async fn former_keywords_are_forgotten() {
    let home = Home::new().await;
    let inbox = filled(&home, 1).await;
    let mut before = Vec::new();
    for n in 0..1_100 {
        let edit = Edit { add_keywords: vec![format!("k{n}")], remove_keywords: before, ..Edit::default() };
        before = edit.add_keywords.clone();
        home.act(Origin::OTHER, move |tx| {
            let at = tx.granted(inbox)?;
            tx.edit(&at, Uid(1), &edit, Knew(None))
        })
        .await
        .unwrap();
        let lights = home.lights(inbox);
        let light = lights.get(Uid(1)).unwrap();
        assert_eq!(lights.keywords(&light), [format!("k{n}")]);
    }
    assert!(home.lights(inbox).all_keywords().len() < 600);
}

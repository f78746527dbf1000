//! What is outside of the use cases, as one type, and what each of them may do to it.
//!
//! A [`World`] names a type for each thing outside, and says nothing of what it can do. Each use case has a trait of
//! its own below: the ports that it may use, and no more. Nothing implements such a trait by hand: a world that has the
//! ports has the trait. So `Read<W>` cannot save an order, whatever the world's table can do.
//!
//! An endpoint has no trait of its own. Its bound is the sum of what its use cases may do.

use std::fmt::Debug;

use super::ports::*;

/// The things outside, each by its type. In production they are AWS and the POS; in tests they are fakes.
///
/// No port stands here: it would be a privilege of every use case.
pub trait World: Debug {
    /// Time, fresh ids and randomness.
    type Clock: Debug + Send + Sync;
    /// Who may call, and what is mapped.
    type Directory: Debug + Send + Sync;
    /// The live values of secrets.
    type Secrets: Debug + Send + Sync;
    /// The table of menus.
    type Menus: Debug + Send + Sync;
    /// The table of orders.
    type Orders: Debug + Send + Sync;
    /// The queue of orders, and where messages are put aside.
    type Queue: Debug + Send + Sync;
    /// The locations' POS systems.
    type Pos: Debug + Send + Sync;
    /// Who is told of orders' ends.
    type Subscribers: Debug + Send + Sync;
    /// The queue of deliveries to them.
    type Deliveries: Debug + Send + Sync;
    /// The way to their addresses.
    type Webhooks: Debug + Send + Sync;
    /// Who watches orders.
    type Connections: Debug + Send + Sync;
    /// The way to them.
    type Push: Debug + Send + Sync;
}

/// Makes each trait true of every world that has the ports it names.
macro_rules! privileges {
    ($($(#[$doc:meta])* $name:ident: World<$($thing:ident: $port:ident $(+ $more:ident)*),+>;)+) => {$(
        $(#[$doc])*
        pub trait $name: World<$($thing: $port $(+ $more)*),+> {}
        impl<W: World<$($thing: $port $(+ $more)*),+>> $name for W {}
    )+};
}

privileges! {
    /// What [`Gate`](super::caller::Gate) may do.
    Admits: World<Directory: Directory, Secrets: Secrets, Clock: Clock>;

    /// What [`Check`](super::check::Check) may do.
    Checks: World<Menus: ReadMenu>;

    /// What [`Menus`](super::menus::Menus) may do.
    TellsMenus: World<Menus: ReadMenu + SaveMenu, Pos: FetchMenu, Clock: Clock>;

    /// What [`Carrier`](super::carry::Carrier) may do.
    Carries: World<Orders: ReadOrder + SaveOrder, Queue: SendOrder + SetAside, Pos: Pos, Clock: Clock>;

    /// What [`Accept`](super::accept::Accept) may do.
    Accepts: World<
        Orders: ClaimOrder + ReadOrder + SaveOrder + NudgeOrder,
        Queue: SendOrder + SetAside,
        Pos: Pos,
        Clock: Clock
    >;

    /// What [`Process`](super::process::Process) may do.
    Processes: World<
        Orders: TakeOrder + ReadOrder + SaveOrder,
        Queue: SendOrder + SetAside,
        Pos: Pos,
        Directory: Directory,
        Clock: Clock
    >;

    /// What [`Read`](super::read::Read) may do.
    Reads: World<Orders: ReadOrder + NudgeOrder, Queue: SendOrder, Clock: Clock>;

    /// What [`Recover`](super::recover::Recover) may do.
    Recovers: World<Orders: ListOpen + ReadOrder + NudgeOrder, Queue: SendOrder, Clock: Clock>;

    /// What [`Announce`](super::announce::Announce) may do.
    Announces: World<Subscribers: ListSubscribers, Deliveries: SendDelivery, Clock: Clock>;

    /// What [`Deliver`](super::deliver::Deliver) may do.
    Delivers: World<
        Subscribers: KeepSubscriber,
        Secrets: WebhookKeys,
        Deliveries: SendDelivery,
        Webhooks: TellSubscriber,
        Clock: Clock
    >;

    /// What [`Watch`](super::watch::Watch) may do.
    Watches: World<
        Connections: KeepConnections + ListWatchers,
        Orders: ReadOrder,
        Push: Push,
        Directory: Directory,
        Secrets: Secrets,
        Clock: Clock
    >;

    /// What [`TellWatchers`](super::watch::TellWatchers) may do.
    TellsWatchers: World<Connections: ListWatchers, Push: Push, Directory: Directory, Secrets: Secrets, Clock: Clock>;

    /// What [`Operate`](super::operate::Operate) may do.
    Operates: World<Orders: ReadOrder, Directory: Directory, Clock: Clock>;
}

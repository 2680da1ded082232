// When the cluster grows and shrinks. Loads are in thousandths of what a node's serving loops may use.

public import Membership
public import Model

public struct AutoscaleRules: Sendable, Hashable {
    /// The mean load over the window above which a node is added.
    public var scaleOutAbove = 700
    /// The mean load over the window below which a node may be taken away.
    public var scaleInBelow = 400
    /// How long the mean is taken over, and how long the topology must have stood still.
    public var windowMs: Int64 = 60_000
    /// From the end of a change, or of a hook's failure, to the next node that is added.
    public var scaleOutCoolDownMs: Int64 = 60_000
    /// The same to the next node that is taken away.
    public var scaleInCoolDownMs: Int64 = 300_000
    /// How long a change may take: from the hook's call to the new node that serves, or the old one that is gone.
    public var changeDeadlineMs: Int64 = 600_000
    /// A heartbeat older than this says nothing about now.
    public var staleMs: Int64 = 5_000
    /// Fewer nodes than this are not left; nor fewer than there are replicas.
    public var nodesMin = 2
    public var nodesMax = 16

    /// After a node is taken away the others must stay this far below `scaleOutAbove`, or it would come back at once.
    public var headroom = 50

    public init() {}
}

public enum AutoscaleAction: Hashable, Sendable {
    /// One more node.
    case scaleOut
    /// This node goes; it drains first.
    case scaleIn(ID)

    public var name: String {
        switch self {
        case .scaleOut: "scale-out"
        case .scaleIn: "scale-in"
        }
    }
}

/// What a hook is called for.
public struct AutoscaleCall: Hashable, Sendable {
    public var generation: Generation
    public var action: AutoscaleAction
    /// Nodes now, those that drain left out.
    public var nodes: Int
    /// Thousandths; nil where the load was not the reason.
    public var load: Int?

    public init(generation: Generation, action: AutoscaleAction, nodes: Int, load: Int?) {
        self.generation = generation
        self.action = action
        self.nodes = nodes
        self.load = load
    }

    /// The same for all who decide the same about the same topology, however often they do: who acts on it acts once.
    public var key: String { "\(generation.rawValue)-\(action.name)" }

    /// The node that goes.
    public var node: ID? {
        switch action {
        case .scaleOut: nil
        case .scaleIn(let node): node
        }
    }

    public var desiredNodes: Int {
        switch action {
        case .scaleOut: nodes + 1
        case .scaleIn: nodes - 1
        }
    }
}

/// Why something is done, or nothing.
public enum AutoscaleReason: Hashable, Sendable {
    case loadAbove(Int)
    case loadBelow(Int)
    case belowMinimum
    /// Nothing to do: the load is where it should be.
    case steady
    /// The window is not full yet: topology, load or this process are too young.
    case measuring
    /// Nobody was heard for a while: Kafka is away, or everybody is.
    case nothingHeard
    /// A node that serves has no figure, or an old one.
    case notMeasured(ID)
    /// A node has been silent for a moment; it may come back.
    case silentNode(ID)
    /// A hook was called, and what it began goes on.
    case called(AutoscaleAction)
    /// A node loads, drains, or has not yet what is placed on it.
    case unsettled(ID)
    /// Nodes run with different settings.
    case disagreement
    case coolDown(leftMs: Int64)
    case atMaximum
    case atMinimum
    /// Without a node the load of the others would be this.
    case othersWouldBeFull(Int)
    /// Another member decides.
    case notInCharge

    /// For metrics: what it is, without figures.
    public var name: String {
        switch self {
        case .loadAbove: "load-above"
        case .loadBelow: "load-below"
        case .belowMinimum: "below-minimum"
        case .steady: "steady"
        case .measuring: "measuring"
        case .nothingHeard: "nothing-heard"
        case .notMeasured: "not-measured"
        case .silentNode: "silent-node"
        case .called: "called"
        case .unsettled: "unsettled"
        case .disagreement: "disagreement"
        case .coolDown: "cool-down"
        case .atMaximum: "at-maximum"
        case .atMinimum: "at-minimum"
        case .othersWouldBeFull: "others-would-be-full"
        case .notInCharge: "not-in-charge"
        }
    }

    /// All names, for metrics that are made at start.
    public static let names = [
        "load-above", "load-below", "below-minimum", "steady", "measuring", "nothing-heard", "not-measured",
        "silent-node", "called", "unsettled", "disagreement", "cool-down", "at-maximum", "at-minimum",
        "others-would-be-full", "not-in-charge",
    ]
}

extension AutoscaleReason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .loadAbove(let load): "the load is \(percent(load))"
        case .loadBelow(let load): "the load is \(percent(load))"
        case .belowMinimum: "there are fewer nodes than there must be"
        case .steady: "the load is where it should be"
        case .measuring: "the load was not measured for long enough yet"
        case .nothingHeard: "no member was heard for a while"
        case .notMeasured(let node): "node \(node) tells no load, or told it too long ago"
        case .silentNode(let node): "node \(node) is silent"
        case .called(let action): "the hook was called for a \(action.name) that is not seen yet"
        case .unsettled(let node): "node \(node) loads, drains or hands over"
        case .disagreement: "nodes run with different settings"
        case .coolDown(let left): "the last change was too short ago; \((left + 999) / 1_000) s are left"
        case .atMaximum: "there are as many nodes as there may be"
        case .atMinimum: "there are as few nodes as there may be"
        case .othersWouldBeFull(let load): "without a node the load of the others would be \(percent(load))"
        case .notInCharge: "another member decides"
        }
    }

    private func percent(_ thousandths: Int) -> String { "\(thousandths / 10).\(thousandths % 10) %" }
}

public struct AutoscaleDecision: Hashable, Sendable {
    /// What the hook is to be called for now.
    public var call: AutoscaleCall?
    public var reason: AutoscaleReason
    /// The mean over the window, as far as it is filled; thousandths.
    public var load: Int?
    /// Nodes, those that drain left out.
    public var nodes: Int
    /// A change of which the deadline has passed, told once.
    public var overdue: AutoscaleCall?
}

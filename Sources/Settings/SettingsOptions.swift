// The settings on the command line. A service command has one `@OptionGroup var options: SettingsOptions` and
// `discussion: SettingsHelp.text(for:)`; ArgumentParser leaves flags it does not know to the table.

public import ArgumentParser
import FoundationEssentials

public struct SettingsOptions: ParsableArguments {
    @Option(help: "YAML file with settings; flags and FAVORITES_… variables win over it.")
    public var config: String?

    @Argument(parsing: .allUnrecognized, help: ArgumentHelp("Settings, listed above.", valueName: "--setting value"))
    public var flags: [String] = []

    public init() {}

    /// The settings of `command` from the flags, the environment of this process and the file.
    public func resolve(for command: ServiceCommand) throws(CommandError) -> ResolvedSettings {
        try ResolvedSettings(
            command: command, arguments: flags, configPath: config,
            environment: ProcessInfo.processInfo.environment)
    }
}

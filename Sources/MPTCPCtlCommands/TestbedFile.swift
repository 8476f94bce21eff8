internal import Testbed
internal import Topology

/// Testbeds by name or by path, for commands.
enum TestbedFile {
    /// The topology, or what is wrong with the file.
    static func load(_ nameOrPath: String) throws(CommandFailure) -> Topology {
        do {
            return try TestbedLibrary.load(nameOrPath)
        } catch {
            throw .usage("\(error)")
        }
    }
}

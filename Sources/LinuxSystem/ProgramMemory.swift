internal import CLinux

/// The memory that holds this program and its libraries.
package enum ProgramMemory {
    /// Brings in every page now (some ten milliseconds), where it would come when code first runs: half a
    /// millisecond of a handover that happens once.
    package static func populate() { clinux_populate_program() }
}

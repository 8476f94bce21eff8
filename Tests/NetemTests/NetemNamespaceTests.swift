import Testbed
import Testing

/// What needs a kernel with netem. It runs in the virtual machine that `VirtualMachineTests` starts, whose
/// time is exact; where there can be no virtual machine, on this kernel if it has netem.
@Suite(
    "Netem", .serialized,
    .enabled(
        if: EmulatedLink.isPossible && VirtualMachine.obstacle != nil
            && NetemLinkEmulator.isAvailable(),
        """
        \(VirtualMachine.obstacle.map { "no virtual machine: \($0); and no netem here" }
            ?? "runs in the virtual machine instead")
        """))
enum NetemNamespaceTests {}

/// What it takes to build networks.
package enum Privileges {
    /// Sees to it that this process may make namespaces, links and packet sockets: as root it may
    /// already, any other user gets a user namespace (`UserNamespace.enter`, same conditions).
    package static func acquire() throws(SystemError) {
        if Capabilities.effective().canBuildNetworks { return }
        try UserNamespace.enter()
    }

    /// Whether `acquire` takes a place out of this process's sight. Ask before it.
    package static func hide(_ path: String) -> Bool {
        !Capabilities.effective().canBuildNetworks && UserNamespace.covers(path)
    }
}

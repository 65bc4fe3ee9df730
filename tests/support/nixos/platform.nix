# What virtualisation.oci-containers of NixOS 25.11 with Podman sets for each container, as far as a generated
# module can collide with it: settings of the same name without mkForce do not evaluate.
# Facts: NixOS/nixpkgs, nixos/modules/virtualisation/oci-containers.nix.
{ config, ... }:
let
  b = builtins;
  quoted = text: "'${b.replaceStrings [ "'" ] [ "'\\''" ] text}'";
  pairs = flag: set: map (name: "${flag} ${quoted name}=${quoted set.${name}}") (b.attrNames set);
  each = flag: items: map (item: "${flag}${quoted item}") items;
  where = set: wanted: b.filter (name: set.${name} == wanted) (b.attrNames set);

  command = name: c: [ "exec podman run" "--name=${quoted name}" "--log-driver=journald" ]
    ++ [ "--cidfile=/run/${name}/ctr-id" "--cgroups=enabled" "--sdnotify=${c.podman.sdnotify or "conmon"}" "-d" "--replace" ]
    ++ (if c ? entrypoint then [ "--entrypoint=${quoted c.entrypoint}" ] else [ ])
    ++ pairs "-e" (c.environment or { })
    ++ each "--env-file " (c.environmentFiles or [ ])
    ++ each "-p " (c.ports or [ ])
    ++ (if c ? user then [ "-u ${quoted c.user}" ] else [ ])
    ++ each "-v " (c.volumes or [ ])
    ++ pairs "-l" (c.labels or { })
    ++ (if c ? workdir then [ "-w ${quoted c.workdir}" ] else [ ])
    ++ [ "--rm" ]
    ++ each "--cap-add=" (where (c.capabilities or { }) true)
    ++ each "--cap-drop=" (where (c.capabilities or { }) false)
    ++ each "--device=" (c.devices or [ ])
    ++ each "--network=" (c.networks or [ ])
    ++ [ "--pull missing" ]
    ++ map quoted (c.extraOptions or [ ])
    ++ [ c.image ]
    ++ map quoted (c.cmd or [ ]);

  unit = name: c: {
    wantedBy = if c.autoStart or true then [ "multi-user.target" ] else [ ];
    wants = [ "network-online.target" ];
    after = [ "network-online.target" ];
    path = [ config.virtualisation.podman.package ];
    script = b.concatStringsSep " \\\n  " (command name c);
    preStop = "podman stop --ignore --cidfile=/run/${name}/ctr-id";
    postStop = "podman rm -f --ignore --cidfile=/run/${name}/ctr-id";
    serviceConfig = {
      ExecStartPre = [ "/nix/store/00000000000000000000000000000000-pre-start/bin/pre-start" ];
      TimeoutStartSec = 0;
      TimeoutStopSec = 120;
      Restart = "always";
      Environment = "PODMAN_SYSTEMD_UNIT=%n";
      Type = "notify";
      NotifyAccess = "all";
      User = "root";
      RuntimeDirectory = name;
    } // (if (c.podman.sdnotify or "") == "healthy" then { Delegate = true; } else { });
  };
  containers = config.virtualisation.oci-containers.containers or { };

  # What the modules of nixpkgs for single programs set, as far as a generated module can collide with it.
  # Facts: NixOS/nixpkgs, nixos/modules/services/misc/{llama-cpp,ollama,litellm,open-webui}.nix.
  store = "/nix/store/00000000000000000000000000000000";
  closed = { DynamicUser = true; PrivateTmp = true; PrivateUsers = true; ProtectHome = true; LockPersonality = true; };
  cuda = [ "char-nvidiactl" "char-nvidia-caps" "char-nvidia-frontend" "char-nvidia-uvm" ];
  programs = {
    llama-cpp = o: {
      serviceConfig = closed // {
        Type = "idle";
        ExecStart = "${store}-llama-cpp/bin/llama-server --host ${o.host} --port ${toString o.port} ${b.concatStringsSep " " (o.extraFlags or [ ])}";
        Restart = "on-failure";
        RestartSec = 300;
        PrivateDevices = false;
        RestrictAddressFamilies = [ "AF_INET" "AF_INET6" "AF_UNIX" ];
      };
    };
    ollama = o: {
      environment = { HOME = "/var/lib/ollama"; OLLAMA_MODELS = "/var/lib/ollama/models"; OLLAMA_HOST = "${o.host}:${toString o.port}"; };
      serviceConfig = closed // {
        Type = "exec";
        ExecStart = "${store}-ollama/bin/ollama serve";
        StateDirectory = [ "ollama" ];
        DevicePolicy = "closed";
        DeviceAllow = cuda;
      };
    };
    litellm = o: {
      environment = { LITELLM_NON_ROOT = "true"; };
      serviceConfig = closed // {
        ExecStart = "${store}-litellm/bin/litellm --host ${o.host} --port ${toString o.port}";
        EnvironmentFile = [ ];
        StateDirectory = [ "litellm" ];
        DevicePolicy = "closed";
      };
    };
    open-webui = o: {
      environment = { DATA_DIR = "."; STATIC_DIR = "."; HF_HOME = "."; };
      serviceConfig = closed // {
        ExecStart = "${store}-open-webui/bin/open-webui serve --host ${o.host} --port ${toString o.port}";
        EnvironmentFile = [ ];
        StateDirectory = "open-webui";
        DevicePolicy = "closed";
      };
    };
  };
  enabled = b.filter (name: (config.services or { }) ? ${name}) (b.attrNames programs);
  program = name: { description = "the module ${name}"; wantedBy = [ "multi-user.target" ]; after = [ "network.target" ]; }
    // programs.${name} config.services.${name};
in
{
  # The generated module may have no containers, and then sets nothing here.
  virtualisation = { };
  systemd.services = b.listToAttrs
    (map (name: { name = containers.${name}.serviceName; value = unit name containers.${name}; }) (b.attrNames containers)
      ++ map (name: { inherit name; value = program name; }) enabled);
}

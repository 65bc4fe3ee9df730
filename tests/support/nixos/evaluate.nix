# What a NixOS module sets, without nixpkgs: the merge of the module system, the little of `lib` and `pkgs` that a
# generated module may use, and beside it platform.nix, which stands for the modules of NixOS that it builds on.
#
#   nix-instantiate --eval --strict --json evaluate.nix --argstr file /absolute/default.nix
#
# A name of lib or pkgs that is not here fails to evaluate, which is wanted: a generated module needs next to nothing.
{ file }:
let
  b = builtins;

  mkOverride = priority: content: { _type = "override"; inherit priority content; };
  lib = {
    mkIf = condition: content: { _type = "if"; inherit condition content; };
    mkMerge = contents: { _type = "merge"; inherit contents; };
    mkDefault = mkOverride 1000;
    mkForce = mkOverride 50;
    inherit mkOverride;
  };

  package = name: {
    inherit name;
    type = "derivation";
    outPath = "/nix/store/00000000000000000000000000000000-${name}";
  };
  pkgs = b.listToAttrs (map (name: { inherit name; value = package name; }) [ "bash" "curl" "util-linux" ]);

  # Values with their priority, the lowest of which wins; no mkIf, mkMerge or mkOverride is left in them.
  definitions = priority: v:
    if b.isAttrs v && v ? _type then
      if v._type == "if" then (if v.condition then definitions priority v.content else [ ])
      else if v._type == "merge" then b.concatMap (definitions priority) v.contents
      else definitions v.priority v.content
    else [ { inherit priority; value = v; } ];
  isSet = v: b.isAttrs v && !(v ? outPath);
  merge = path: found:
    let
      first = b.foldl' (low: d: if d.priority < low then d.priority else low) 9999 found;
      winners = b.filter (d: d.priority == first) found;
      values = map (d: d.value) winners;
      names = b.attrNames (b.foldl' (all: v: all // v) { } values);
      below = name: b.concatMap (d: if d.value ? ${name} then definitions d.priority d.value.${name} else [ ]) winners;
    in
    if b.all isSet values then
      b.listToAttrs (b.concatMap
        (name: if below name == [ ] then [ ] else [ { inherit name; value = merge (path ++ [ name ]) (below name); } ])
        names)
    else if b.all b.isList values then map plain (b.concatLists values)
    else if b.length values == 1 then plain (b.head values)
    else throw "conflicting definitions for ${b.concatStringsSep "." path}";
  plain = v:
    if b.isAttrs v && v ? outPath then toString v.outPath
    else if b.isList v then map plain v
    else if b.isAttrs v then b.mapAttrs (_: plain) v
    else v;

  # What a module reads of `config`: what all set, and what NixOS and sops-nix work out from it.
  seen = config // {
    sops = {
      placeholder = b.mapAttrs (name: _: "<SOPS:${name}>") (config.sops.secrets or { });
      templates = b.mapAttrs (name: _: { path = "/run/secrets/rendered/${name}"; }) (config.sops.templates or { });
    };
    # The configuration of the host names their files.
    age.secrets = b.listToAttrs (map (name: { inherit name; value.path = "/run/agenix/${name}"; })
      [ "home-maximal.env" "home-search.env" ]);
    hardware = { nvidia.package = package "nvidia-x11"; };
    virtualisation = config.virtualisation // { podman.package = package "podman"; };
  };
  load = module: (import module) { inherit lib pkgs; config = seen; };
  config = merge [ ] (b.concatMap (module: definitions 100 (load module)) [ ./platform.nix (/. + file) ]);
in
config

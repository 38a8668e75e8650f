{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}

{{- /* JSON as a CEL literal. CEL in Kubernetes wants the values of a map to be of one type: dyn. At the places in `overrides`
       the pod's annotation counts, where it is there and not empty. Called with value, path (a JSON pointer) and overrides. */ -}}
{{- define "ringside.cel" -}}
{{- $in := . -}}
{{- if hasKey .overrides .path -}}
{{- $key := index .overrides .path | toJson -}}
({{ $key }} in variables.annotations && variables.annotations[{{ $key }}] != "" ? variables.annotations[{{ $key }}] : {{ .value | toJson }})
{{- else if kindIs "map" .value -}}
{
{{- $comma := "" -}}
{{- range $key, $value := .value -}}
{{- $comma }}{{ $key | toJson }}: dyn(
{{- include "ringside.cel" (dict "value" $value "path" (printf "%s/%s" $in.path $key) "overrides" $in.overrides) }})
{{- $comma = ", " -}}
{{- end -}}
}
{{- else if kindIs "slice" .value -}}
[
{{- range $i, $value := .value -}}
{{- if $i }}, {{ end }}
{{- include "ringside.cel" (dict "value" $value "path" (printf "%s/%d" $in.path $i) "overrides" $in.overrides) }}
{{- end -}}
]
{{- else -}}
{{- .value | toJson -}}
{{- end -}}
{{- end -}}

{{- /* object.spec.A.B for /A/B */ -}}
{{- define "ringside.celField" -}}
object.spec{{ . | replace "/" "." }}
{{- end -}}

{{- /* has() for each step of it */ -}}
{{- define "ringside.celHas" -}}
{{- $at := "object.spec" -}}
{{- range $i, $key := trimPrefix "/" . | splitList "/" -}}
{{- $at = printf "%s.%s" $at $key -}}
{{- if $i }} && {{ end }}has({{ $at }})
{{- end -}}
{{- end -}}

{{- /* The fields of a pod's spec that any variant of processAccess sets, as JSON. */ -}}
{{- define "ringside.accessFields" -}}
{{- $fields := list -}}
{{- range (.Files.Get "files/sidecar.json" | fromJson).processAccess -}}
{{- $fields = concat $fields (keys (.spec | default dict)) -}}
{{- end -}}
{{- $fields | uniq | sortAlpha | toJson -}}
{{- end -}}

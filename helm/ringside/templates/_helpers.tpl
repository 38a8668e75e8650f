{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}

{{- define "ringside.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" (.Release.Name | trunc 30 | trimSuffix "-") .Chart.Name -}}
{{- end -}}
{{- end -}}

{{- define "ringside.collector" -}}
{{- include "ringside.fullname" . }}-collector
{{- end -}}

{{- define "ringside.address" -}}
{{- include "ringside.collector" . }}.{{ .Release.Namespace }}.svc:9717
{{- end -}}

{{- define "ringside.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- /* The labels that selectors take: they never change. Called with (list . COMPONENT). */ -}}
{{- define "ringside.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ $.Chart.Name }}
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "ringside.image" -}}
{{- $sidecar := .Files.Get "files/sidecar.json" | fromJson -}}
{{- .Values.image.repository | default $sidecar.container.image }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- /* The API version of MutatingAdmissionPolicy to use, or nothing. */ -}}
{{- define "ringside.policyVersion" -}}
{{- $found := "" -}}
{{- range list "v1alpha1" "v1beta1" "v1" -}}
{{- $version := printf "admissionregistration.k8s.io/%s" . -}}
{{- if $.Capabilities.APIVersions.Has (printf "%s/MutatingAdmissionPolicy" $version) -}}
{{- $found = $version -}}
{{- end -}}
{{- end -}}
{{- $found -}}
{{- end -}}

{{- /* policy, patch or none */ -}}
{{- define "ringside.injectionMode" -}}
{{- if ne .Values.injection.mode "auto" -}}
{{- .Values.injection.mode -}}
{{- else -}}
{{- ternary "policy" "patch" (ne (include "ringside.policyVersion" .) "") -}}
{{- end -}}
{{- end -}}

{{- /* The secret with the collector's certificate and key. */ -}}
{{- define "ringside.tlsSecret" -}}
{{- if eq .Values.tls.mode "secret" -}}
{{- .Values.tls.secretName -}}
{{- else -}}
{{- include "ringside.collector" . }}-tls
{{- end -}}
{{- end -}}

{{- /* In `generate`: ca.crt, tls.crt and tls.key in base64, as JSON; those that the cluster has, or new ones. They are made once in
       a rendering, for several templates ask: kept in .Values, which all share. */ -}}
{{- define "ringside.generated" -}}
{{- if not (hasKey .Values "_generated") -}}
{{- $kept := (lookup "v1" "Secret" .Release.Namespace (include "ringside.tlsSecret" .)).data -}}
{{- if and $kept (hasKey $kept "ca.crt") (hasKey $kept "tls.crt") (hasKey $kept "tls.key") -}}
{{- $_ := set .Values "_generated" (pick $kept "ca.crt" "tls.crt" "tls.key") -}}
{{- else -}}
{{- $service := printf "%s.%s" (include "ringside.collector" .) .Release.Namespace -}}
{{- $names := list (printf "%s.svc" $service) $service (include "ringside.collector" .) (printf "%s.svc.cluster.local" $service) -}}
{{- $each := printf "*.%s-headless.%s.svc" (include "ringside.collector" .) .Release.Namespace -}}
{{- $names = concat $names (list $each (printf "%s.cluster.local" $each)) -}}
{{- $authority := genCA (include "ringside.fullname" .) 3650 -}}
{{- $server := genSignedCert (include "ringside.collector" . | trunc 64) nil $names 3650 $authority -}}
{{- $_ := set .Values "_generated" (dict "ca.crt" ($authority.Cert | b64enc) "tls.crt" ($server.Cert | b64enc)
      "tls.key" ($server.Key | b64enc)) -}}
{{- end -}}
{{- end -}}
{{- .Values._generated | toJson -}}
{{- end -}}

{{- /* The PEM that sidecars verify the collector by. */ -}}
{{- define "ringside.ca" -}}
{{- if eq .Values.tls.mode "generate" -}}
{{- index (include "ringside.generated" . | fromJson) "ca.crt" | b64dec -}}
{{- else if .Values.tls.ca -}}
{{- .Values.tls.ca -}}
{{- else -}}
{{- $data := (lookup "v1" "Secret" .Release.Namespace .Values.tls.secretName).data | default dict -}}
{{- index $data "ca.crt" | default "" | b64dec -}}
{{- end -}}
{{- end -}}

{{- /* The variant of processAccess that is asked for, as JSON. */ -}}
{{- define "ringside.access" -}}
{{- index (.Files.Get "files/sidecar.json" | fromJson).processAccess .Values.injection.processAccess | toJson -}}
{{- end -}}

{{- /* The sidecar's container as pods get it, as JSON. */ -}}
{{- define "ringside.podSidecar" -}}
{{- $access := include "ringside.access" . | fromJson -}}
{{- mustMergeOverwrite (include "ringside.sidecar" . | fromJson) ($access.container | default dict) | toJson -}}
{{- end -}}

{{- /* The sidecar's container as this release has it, as JSON: of files/sidecar.json, with image, collector and trust filled in. */ -}}
{{- define "ringside.sidecar" -}}
{{- $container := (.Files.Get "files/sidecar.json" | fromJson).container -}}
{{- $_ := set $container "image" (include "ringside.image" .) -}}
{{- range $container.env -}}
{{- if eq .name "RINGSIDE_COLLECTOR" -}}
{{- $_ := set . "value" (include "ringside.address" $) -}}
{{- end -}}
{{- end -}}
{{- $more := list -}}
{{- if eq .Values.tls.mode "insecure" -}}
{{- $more = append $more (dict "name" "RINGSIDE_INSECURE" "value" "1") -}}
{{- else -}}
{{- $more = append $more (dict "name" "RINGSIDE_TLS_CA" "value" (include "ringside.ca" .)) -}}
{{- end -}}
{{- $client := .Values.tls.clientSecret -}}
{{- $refs := list (list "RINGSIDE_TLS_CERT" $client "tls.crt") (list "RINGSIDE_TLS_KEY" $client "tls.key")
      (list "RINGSIDE_TOKEN" .Values.token.secret "token") -}}
{{- range $refs -}}
{{- if index . 1 -}}
{{- $ref := dict "name" (index . 1) "key" (index . 2) "optional" true -}}
{{- $more = append $more (dict "name" (index . 0) "valueFrom" (dict "secretKeyRef" $ref)) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $container "env" (concat $container.env $more) -}}
{{- if .Values.injection.privileged -}}
{{- $_ := set $container.securityContext "privileged" true -}}
{{- $_ := set $container.securityContext "allowPrivilegeEscalation" true -}}
{{- end -}}
{{- $container | toJson -}}
{{- end -}}

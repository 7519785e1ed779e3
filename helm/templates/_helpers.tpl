{{/* Name of the release's objects, at most 40 characters, so that what is added still fits in 63. */}}
{{- define "buhin.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Name of an object of a component. Takes (dict "context" $ "name" "speech"). */}}
{{- define "buhin.name" -}}
{{- printf "%s-%s" (include "buhin.fullname" .context) .name | trunc 58 | trimSuffix "-" -}}
{{- end -}}

{{/* What a component's pods are selected by; never changes. Takes (dict "context" $ "name" "speech"). */}}
{{- define "buhin.selectorLabels" -}}
app.kubernetes.io/name: {{ default .context.Chart.Name .context.Values.nameOverride }}
app.kubernetes.io/instance: {{ .context.Release.Name | quote }}
{{- with .name }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{/* All labels. Takes (dict "context" $ "name" "speech" "function" "speech"); name and function may lack. */}}
{{- define "buhin.labels" -}}
{{ include "buhin.selectorLabels" . }}
app.kubernetes.io/version: {{ .context.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: buhin
app.kubernetes.io/managed-by: {{ .context.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .context.Chart.Name .context.Chart.Version | replace "+" "_" }}
{{- with .function }}
buhin/function: {{ . }}
{{- end }}
{{- end -}}

{{/* The enabled services as JSON, by entry: defaults, then the class, then the entry itself. */}}
{{- define "buhin.services" -}}
{{- $root := . -}}
{{- $found := dict -}}
{{- range $key, $entry := .Values.services -}}
{{- $entry = $entry | default dict -}}
{{- $class := dict -}}
{{- with $entry.class -}}
{{- if not (hasKey $root.Values.classes .) -}}
{{- fail (printf "services.%s.class: %q is none of classes (%s)" $key . (keys $root.Values.classes | sortAlpha | join ", ")) -}}
{{- end -}}
{{- $class = get $root.Values.classes . -}}
{{- end -}}
{{- $whole := mergeOverwrite (deepCopy $root.Values.defaults) (deepCopy $class) (deepCopy $entry) -}}
{{- if $whole.enabled -}}
{{- if and $whole.autoscaling.enabled $whole.keda.enabled -}}
{{- fail (printf "services.%s: autoscaling and keda would both scale it; enable one" $key) -}}
{{- end -}}
{{- $function := default ($key | replace "-" "_") $whole.function -}}
{{- if and (hasKey (default dict $whole.resources.limits) "nvidia.com/gpu") (has $function (list "speech" "image_inspect")) -}}
{{- fail (printf "services.%s: its engine runs on the CPU and would keep a GPU for nothing" $key) -}}
{{- end -}}
{{- if and (eq (default "" $whole.settings.text_engine) "transformers") (not $whole.settings.text_model) -}}
{{- fail (printf "services.%s.settings.text_model: name a model for transformers (docs/models.md); the default one is for llama.cpp" $key) -}}
{{- end -}}
{{- $_ := set $whole "function" (default ($key | replace "-" "_") $whole.function) -}}
{{- $_ := set $found $key $whole -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/* Reference of an image. Takes (dict "context" $ "image" dict "default" "buhin-speech"). */}}
{{- define "buhin.image" -}}
{{- $name := printf "%s%s" (default .default .image.repository) (default "" .image.suffix) -}}
{{- with .context.Values.image.registry }}{{ . | trimSuffix "/" }}/{{ end -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (.image.tag | default .context.Values.image.tag | default .context.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* Pod Security "restricted". */}}
{{- define "buhin.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.security.user }}
runAsUser: {{ int64 . }}
runAsGroup: {{ int64 . }}
fsGroup: {{ int64 . }}
{{- end }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "buhin.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Secret with a service's certificate. Takes (dict "context" $ "name" "speech"). */}}
{{- define "buhin.tlsSecret" -}}
{{- $tls := .context.Values.tls -}}
{{- if eq $tls.source "secret" -}}
{{- required "tls.secretName: name the Secret with tls.crt, tls.key and ca.crt, or set tls.source" $tls.secretName -}}
{{- else if eq $tls.source "cert-manager" -}}
{{- printf "%s-tls" (include "buhin.name" .) -}}
{{- else -}}
{{- printf "%s-tls" (include "buhin.fullname" .context) -}}
{{- end -}}
{{- end -}}

{{/* Secret with what the release's own client needs of certificates: ca.crt, and with mutual TLS its own. */}}
{{- define "buhin.clientSecret" -}}
{{- $mode := include "buhin.tlsMode" . -}}
{{- if eq $mode "none" -}}
{{- else if .Values.client.secretName -}}
{{- .Values.client.secretName -}}
{{- else if ne .Values.tls.source "secret" -}}
{{- printf "%s-client" (include "buhin.fullname" .) -}}
{{- else if eq $mode "server" -}}
{{- include "buhin.tlsSecret" (dict "context" .) -}}
{{- else -}}
{{- fail "client.secretName: name a Secret with a client's certificate (tls.crt, tls.key, ca.crt), with which helm test and workers call" -}}
{{- end -}}
{{- end -}}

{{/* Name in the client's certificate. One of cert-manager's issuers may serve several namespaces. */}}
{{- define "buhin.clientName" -}}
{{- printf "%s-client" (include "buhin.fullname" .) -}}
{{- if eq .Values.tls.source "cert-manager" }}.{{ .Release.Namespace }}.svc{{ end -}}
{{- end -}}

{{/* The volume of that Secret: no more of it than is needed. */}}
{{- define "buhin.clientVolume" -}}
secretName: {{ include "buhin.clientSecret" . }}
defaultMode: 0440
{{- if eq (include "buhin.tlsMode" .) "server" }}
items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- end -}}

{{- define "buhin.tlsMode" -}}
{{- if eq .Values.tls.source "none" }}none{{ else if .Values.tls.mutual }}mutual{{ else }}server{{ end -}}
{{- end -}}

{{- define "buhin.modelsClaim" -}}
{{- default (printf "%s-models" (include "buhin.fullname" .)) .Values.models.volume.existingClaim -}}
{{- end -}}

{{/* What a client of the release has in its environment, at /etc/buhin/client. */}}
{{- define "buhin.clientEnv" -}}
{{- $mode := include "buhin.tlsMode" . }}
{{- if ne $mode "none" }}
- {name: BUHIN_TLS_CA, value: /etc/buhin/client/ca.crt}
{{- end }}
{{- if eq $mode "mutual" }}
- {name: BUHIN_CLIENT_CERTIFICATE, value: /etc/buhin/client/tls.crt}
- {name: BUHIN_CLIENT_KEY, value: /etc/buhin/client/tls.key}
{{- end }}
{{- with .Values.client.tokenSecretName }}
- name: BUHIN_TOKEN
  valueFrom: {secretKeyRef: {name: {{ . }}, key: token}}
{{- end }}
{{- end -}}

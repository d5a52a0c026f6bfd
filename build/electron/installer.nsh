; "Open with Mergewright" on folders: a project is a folder, which no file extension can stand for.
!macro customInstall
  WriteRegStr SHCTX "Software\Classes\Directory\shell\Mergewright" "" "Open with Mergewright"
  WriteRegStr SHCTX "Software\Classes\Directory\shell\Mergewright" "Icon" "$appExe"
  WriteRegStr SHCTX "Software\Classes\Directory\shell\Mergewright\command" "" '"$appExe" "%1"'
!macroend

!macro customUnInstall
  DeleteRegKey SHCTX "Software\Classes\Directory\shell\Mergewright"
!macroend

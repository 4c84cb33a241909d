/**
 * The environment of a process that encodes. SVT-AV1 writes its settings, and a warning whenever it is closed, to the terminal unless only fatal errors are wanted. CUDA, by which NVENC knows its GPUs, numbers them by speed unless it is told to
 * number them by their addresses on PCI, as nvidia-smi does. Whoever has set one of them keeps it.
 */
export function encoderEnvironment(hostEnv: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return { CUDA_DEVICE_ORDER: 'PCI_BUS_ID', SVT_LOG: '0', ...hostEnv };
}
